//! Archives: what comes back, what does not depend on threads, what damage does, and what is refused.

use elbo::codec::archive::{self, Archive, Description, FrameDescription, Settings};
use elbo::codec::{pack, unpack};
use elbo::data::{Bytes, Element, Kind};
use elbo::model_file::{Header, Model};
use elbo::params::Init;
use elbo::rng::{Address, Purpose};
use elbo::vae::{Vae, VaeConfig};
use rand::RngExt;
use std::io::Cursor;
use std::path::Path;

const WIDTH: usize = 6;

fn model(likelihood: &str) -> Model<f32> {
    let config =
        VaeConfig { likelihood: likelihood.parse().unwrap(), ..VaeConfig::new(WIDTH, &[20], 2) };
    let vae = Vae::<f32>::new(config.clone()).unwrap();
    Model {
        params: vae.init(Init::Uniform, 1, None),
        header: Header::new(&config, None),
        vae: vae.into(),
    }
}

const F32: Element = Element::Number { kind: Kind::F32, big_endian: false };

/// Rows of elements.
struct Rows {
    element: Element,
    rows: Vec<Vec<u8>>,
}

impl Rows {
    fn of(element: Element, count: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let row = |i: usize| {
            let mut bytes = Vec::new();
            (0..WIDTH).for_each(|j| element.write(value(i, j), &mut bytes));
            bytes
        };
        Rows { element, rows: (0..count).map(row).collect() }
    }

    fn bits(count: usize) -> Self {
        let coin = |i: usize, j: usize| {
            Address::new(i as u64, Purpose::Check).row(j as u64).rng().random::<u32>() % 3
        };
        Rows::of(Element::Byte, count, |i, j| f64::from(u8::from(coin(i, j) == 0)))
    }

    fn describe(&self, model: &Model<f32>, settings: Settings) -> Description {
        let mut source = |first: u64, count: usize| Ok(self.some(first, count));
        let count = self.rows.len() as u64;
        let frame = FrameDescription::array(model, self.element, Bytes::Bits, count, &mut source);
        Description::new(model, frame.unwrap(), settings, b"before", count, &mut source).unwrap()
    }

    fn some(&self, first: u64, count: usize) -> Vec<Vec<u8>> {
        self.rows.iter().skip(first as usize).take(count).cloned().collect()
    }

    fn archive(&self, model: &Model<f32>, inside: Option<&[u8]>, settings: Settings) -> Vec<u8> {
        let (mut out, description) = (Vec::new(), self.describe(model, settings));
        let mut source = |first: u64, count: usize| Ok(self.some(first, count));
        let written =
            archive::write(&mut out, model, inside, &description, &mut source, &mut |_| {})
                .unwrap();
        assert_eq!(written.archive, out.len() as u64);
        assert_eq!(written.rows, self.rows.len() as u64);
        out
    }
}

fn open(bytes: &[u8]) -> elbo::Result<Archive<Cursor<&[u8]>>> {
    Archive::open(Path::new("archive"), Cursor::new(bytes))
}

/// What comes back of some rows, and which blocks do not.
fn read(bytes: &[u8], model: &Model<f32>, rows: std::ops::Range<u64>) -> (Vec<u8>, Vec<u32>) {
    let (mut out, mut archive) = (Vec::new(), open(bytes).unwrap());
    let mut keep = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let lost = archive.read(model, rows, &mut keep, &mut |_| {}).unwrap();
    (out, lost.into_iter().map(|(number, _)| number).collect())
}

/// A small archive, for whoever damages it, and its model.
pub(super) fn small() -> (Vec<u8>, Model<f32>) {
    let (model, value) =
        (
            model("masked:of=logistic"),
            |i: usize, j: usize| if i == j { f64::NAN } else { (i * j % 7) as f64 },
        );
    let settings = Settings { block: 5, ..SMALL };
    (Rows::of(F32, 12, value).archive(&model, None, settings), model)
}

const SMALL: Settings = Settings { bins: 8, any_order: false, block: 16 };

/// Of every kind of values, with what the model cannot have among them: to the last bit.
#[test]
fn rows_come_back_byte_for_byte() {
    let odd = |i: usize, j: usize| match (i % 9, j) {
        (3, 2) => f64::NAN,
        (4, 1) => -0.0,
        (5, 0) => f64::INFINITY,
        (6, 5) => 1e30,
        (7, 3) => 0.1 + 0.2,
        _ => ((i * 7 + j * 3) % 40) as f64 / 4.0,
    };
    let f64s = Element::Number { kind: Kind::F64, big_endian: true };
    let whole = |i: usize, j: usize| ((i * 5 + j) % 11) as f64;
    let cases = [
        ("bernoulli", Rows::bits(70)),
        ("bernoulli", Rows::of(Element::Byte, 40, |i, j| ((i + j) % 5) as f64)),
        ("normal", Rows::of(F32, 50, odd)),
        ("masked:of=logistic", Rows::of(F32, 50, odd)),
        ("masked:of=(mixture:of=laplace)", Rows::of(f64s, 50, odd)),
        ("poisson", Rows::of(Element::Number { kind: Kind::I64, big_endian: false }, 33, whole)),
        ("masked:of=negative-binomial", Rows::of(F32, 33, odd)),
        ("log-normal", Rows::of(F32, 30, |i, j| whole(i, j) + 0.25)),
        ("columns:1-2=normal,3-=(masked:of=(categorical:classes=11))", Rows::of(F32, 33, whole)),
    ];
    for (likelihood, rows) in cases {
        let model = model(likelihood);
        for any_order in [false, true] {
            let bytes = rows.archive(&model, None, Settings { any_order, ..SMALL });
            let (found, lost) = read(&bytes, &model, 0..rows.rows.len() as u64);
            assert!(lost.is_empty(), "{likelihood}");
            if any_order {
                let sorted = |bytes: &[u8]| {
                    let size = rows.rows[0].len();
                    let mut rows: Vec<_> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
                    rows.sort();
                    rows
                };
                assert_eq!(sorted(&found), sorted(&rows.rows.concat()), "{likelihood}");
            } else {
                assert_eq!(found, rows.rows.concat(), "{likelihood}");
                assert_eq!(open(&bytes).unwrap().prologue().unwrap(), b"before");
            }
        }
    }
}

/// An order of b rows that are all different is log₂ b! bits. What rows cost besides depends on the latents that they happen
/// to take, by a few bits each: of an encoder that tells rows apart these do not depend on what the last row left.
#[test]
fn any_order_saves_what_an_order_costs() {
    const ROWS: u64 = 2000;
    let mut model = model("poisson");
    let encoder = model.vae.layout().slots().iter().filter(|slot| slot.name.starts_with("encoder"));
    encoder.for_each(|slot| model.params[slot.range()].iter_mut().for_each(|w| *w *= 4.0));
    let rows = Rows::of(F32, ROWS as usize, |i, j| {
        ((i * [1, 7, 40, 301, 5, 77][j]) % 2003 % [50, 47, 43, 41, 37, 60][j]) as f64
    });
    let size = |any_order| {
        rows.archive(&model, None, Settings { any_order, block: 4096, ..SMALL }).len() as f64
    };
    let saved = 8.0 * (size(false) - size(true));
    let order: f64 = (1..=ROWS).map(|n| (n as f64).log2()).sum();
    assert!((saved - order).abs() < 0.03 * order, "{saved} of {order} bits");
}

#[test]
fn ranges_are_those_rows() {
    let (model, rows) = (model("bernoulli"), Rows::bits(70));
    let bytes = rows.archive(&model, None, SMALL);
    for range in [0..1, 15..17, 16..32, 30..70, 69..70, 0..70] {
        let want = rows.rows[range.start as usize..range.end as usize].concat();
        assert_eq!(read(&bytes, &model, range.clone()).0, want, "{range:?}");
    }
}

/// With eight bits a weight inside, it needs no other file, and any other model is told.
#[test]
fn a_model_inside_is_enough_and_another_is_refused() {
    let (original, rows) = (model("bernoulli"), Rows::bits(40));
    let (inside, rounded) = pack(&original);
    let bytes = rows.archive(&rounded, Some(&inside), SMALL);
    let again = open(&bytes).unwrap().model().unwrap().unwrap();
    assert_eq!(again.params, rounded.params);
    assert_eq!(read(&bytes, &again, 0..40).0, rows.rows.concat());
    let off =
        original.params.iter().zip(&rounded.params).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off > 0.0 && off < 0.01, "{off}");
    let error = open(&bytes).unwrap().frame(&original).err().unwrap().to_string();
    assert!(error.contains("another model"), "{error}");
    for length in 0..inside.len() {
        assert!(unpack(&inside[..length]).is_err());
    }
}

/// Whatever bit is turned: it is told before anything is read, or one block is lost, or nothing is.
#[test]
fn a_turned_bit_costs_a_block_at_most() {
    let (model, rows) = (
        model("masked:of=normal"),
        Rows::of(F32, 64, |i, j| if i == j { f64::NAN } else { (i * j % 7) as f64 }),
    );
    let bytes = rows.archive(&model, None, SMALL);
    let size = rows.rows[0].len();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let Ok(mut archive) = open(&damaged) else { continue };
        let (mut found, mut blocks) = (Vec::new(), 0);
        let mut keep = |bytes: &[u8]| {
            blocks += 1;
            found.extend_from_slice(bytes);
            Ok(())
        };
        let Ok(lost) = archive.read(&model, 0..64, &mut keep, &mut |_| {}) else { continue };
        assert!(lost.len() <= 1 && blocks + lost.len() == 4, "byte {at}: {lost:?}");
        let there = (0..64).filter(|row| lost.iter().all(|(n, _)| row / 16 != *n as usize));
        let want: Vec<u8> = there.flat_map(|row| rows.rows[row].clone()).collect();
        assert!(found == want && found.len() == (64 - 16 * lost.len()) * size, "byte {at}");
    }
    for length in 0..bytes.len() {
        if let Ok(mut archive) = open(&bytes[..length]) {
            let _ = archive
                .read(&model, 0..64, &mut |_| Ok(()), &mut |_| {})
                .map(|lost| assert!(lost.len() < 5));
        }
    }
}
