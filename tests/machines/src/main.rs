//! Reads archives that have their model inside, and says what is in them: SHA-256 of the rows, and how many there are. For
//! machines without the command line; `tests/machines/run` runs it on two of them.

use elbo::codec::archive::{Archive, hexadecimal};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::Path;

fn main() -> elbo::Result<()> {
    for name in std::env::args().skip(1) {
        let path = Path::new(&name);
        let file = File::open(path).map_err(|e| elbo::Error::io(path, e))?;
        let mut archive = Archive::open(path, file)?;
        let Some(model) = archive.model()? else {
            println!("{name}: its model is not inside");
            continue;
        };
        let (mut hash, rows) = (Sha256::new(), archive.description.rows);
        let mut each = |bytes: &[u8]| {
            hash.update(bytes);
            Ok(())
        };
        let lost = archive.read(&model, 0..rows, &mut each, &mut |_| {})?;
        let file = path.file_name().unwrap_or_default().display();
        println!("{} {rows} {file}", hexadecimal(&hash.finalize()));
        for (block, why) in lost {
            println!("{file}: block {block} is lost: {why}");
        }
    }
    Ok(())
}
