//! A few rows that show every pair.
//!
//! Given factors with so many levels each, a *cover* is a list of rows, a level of each factor in each, such
//! that any two levels of any two factors stand together in some row. All combinations would be a product
//! over all factors; a cover has about the product of the two largest ones.
//!
//! Some pairs cannot stand together. Others can, but no third factor has a level that suits both: these too
//! are left out, and named.
//!
//! The search is greedy: it takes the first pair that is not covered yet, and chooses for one factor after
//! another the level that covers most new pairs with those chosen so far. (Cohen, Dalal, Fredman & Patton
//! 1997, "The AETG system", without its random choices.)

/// A level of a factor: the number of the factor, and that of the level.
pub type Level = (usize, usize);

/// Rows that show every pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// A level of each factor, in each row.
    pub rows: Vec<Vec<usize>>,
    /// The pairs that no row can have.
    pub impossible: Vec<[Level; 2]>,
}

/// Covers factors with these numbers of levels; `together` says of two levels of different factors whether
/// they can stand together, and is asked once for each pair.
pub fn cover(levels: &[usize], together: impl Fn(Level, Level) -> bool) -> Cover {
    let mut factors: Vec<_> = (0..levels.len()).collect();
    factors.sort_by_key(|i| std::cmp::Reverse(levels[*i]));
    let mut search = Search::new(levels, factors.clone(), together);
    let mut cover = Cover { rows: Vec::new(), impossible: Vec::new() };
    // The pairs that need most rows come first, so that the rest finds room beside them.
    for (at, &j) in factors.iter().enumerate() {
        for &i in &factors[..at] {
            for pair in (0..levels[i] * levels[j]).map(|n| [(i, n / levels[j]), (j, n % levels[j])])
            {
                if search.is_open(pair[0], pair[1]) {
                    match search.row(pair) {
                        Some(row) => cover.rows.push(row),
                        None => cover.impossible.push(pair),
                    }
                }
            }
        }
    }
    cover
}

/// What is known while rows are found.
struct Search {
    /// Levels of each factor, and where they begin among all levels.
    levels: Vec<usize>,
    first: Vec<usize>,
    /// In which order factors get their level.
    order: Vec<usize>,
    /// Of any two of all levels: whether they can stand together, and whether they have yet to.
    together: Vec<Vec<bool>>,
    open: Vec<Vec<bool>>,
    /// In how many rows a level stands.
    used: Vec<usize>,
}

impl Search {
    fn new(levels: &[usize], order: Vec<usize>, together: impl Fn(Level, Level) -> bool) -> Self {
        let all: Vec<Level> =
            (0..levels.len()).flat_map(|i| (0..levels[i]).map(move |a| (i, a))).collect();
        let first = (0..levels.len()).map(|i| levels[..i].iter().sum()).collect();
        let mut table = vec![vec![false; all.len()]; all.len()];
        for (x, &one) in all.iter().enumerate() {
            for (y, &other) in all.iter().enumerate().filter(|(_, other)| one.0 < other.0) {
                table[x][y] = together(one, other);
                table[y][x] = table[x][y];
            }
        }
        let open = all.iter().map(|one| all.iter().map(|other| one.0 != other.0).collect());
        Search {
            levels: levels.to_vec(),
            first,
            order,
            together: table,
            open: open.collect(),
            used: vec![0; all.len()],
        }
    }

    fn number(&self, (i, a): Level) -> usize {
        self.first[i] + a
    }

    fn is_open(&self, one: Level, other: Level) -> bool {
        self.open[self.number(one)][self.number(other)]
    }

    /// A row with this pair, unless none can have it. Its pairs are then covered.
    fn row(&mut self, pair: [Level; 2]) -> Option<Vec<usize>> {
        let numbers = pair.map(|level| self.number(level));
        let mut row = vec![None; self.levels.len()];
        pair.iter().for_each(|&(i, a)| row[i] = Some(a));
        if !self.together[numbers[0]][numbers[1]] || !self.complete(&mut row) {
            return None;
        }
        let row: Vec<usize> = row.into_iter().map(|a| a.expect("complete")).collect();
        let numbers: Vec<_> = row.iter().enumerate().map(|(i, &a)| self.number((i, a))).collect();
        for &x in &numbers {
            self.used[x] += 1;
            numbers.iter().for_each(|&y| self.open[x][y] = false);
        }
        Some(row)
    }

    /// Chooses the levels that are missing; takes back a choice that leaves none for another factor.
    fn complete(&self, row: &mut [Option<usize>]) -> bool {
        let Some(&i) = self.order.iter().find(|&&i| row[i].is_none()) else { return true };
        let chosen: Vec<_> =
            (0..row.len()).filter_map(|j| row[j].map(|b| self.number((j, b)))).collect();
        let suits = |x: usize| chosen.iter().all(|&y| self.together[x][y]);
        let gain = |x: usize| chosen.iter().filter(|&&y| self.open[x][y]).count();
        let numbers = self.first[i]..self.first[i] + self.levels[i];
        let mut candidates: Vec<_> = numbers.filter(|&x| suits(x)).collect();
        candidates.sort_by_key(|&x| (std::cmp::Reverse(gain(x)), self.used[x]));
        for x in candidates {
            row[i] = Some(x - self.first[i]);
            if self.complete(row) {
                return true;
            }
        }
        row[i] = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether some row shows the pair.
    fn shows(cover: &Cover, [(i, a), (j, b)]: [Level; 2]) -> bool {
        cover.rows.iter().any(|row| row[i] == a && row[j] == b)
    }

    /// Every pair, `first` before `second` in the order of the factors.
    fn pairs(levels: &[usize]) -> Vec<[Level; 2]> {
        let all = |i: usize| (0..levels[i]).map(move |a| (i, a));
        (0..levels.len())
            .flat_map(|j| (0..j).map(move |i| (i, j)))
            .flat_map(|(i, j)| all(i).flat_map(move |one| all(j).map(move |other| [one, other])))
            .collect()
    }

    #[test]
    fn every_pair_is_covered_in_few_rows() {
        for levels in [&[2, 2, 2][..], &[1, 4], &[6, 6, 5, 3, 3, 3, 7, 2], &[3; 13], &[20, 17, 8]] {
            let cover = cover(levels, |_, _| true);
            assert!(cover.impossible.is_empty());
            assert!(pairs(levels).into_iter().all(|pair| shows(&cover, pair)), "{levels:?}");
            let mut largest = levels.to_vec();
            largest.sort_by_key(|n| std::cmp::Reverse(*n));
            let least = largest[0] * largest[1];
            // For thirteen factors of three 15 rows are known to do, which takes more than greed.
            let most = if levels.len() > 10 { 22 } else { least + least / 5 + 2 };
            assert!((least..=most).contains(&cover.rows.len()), "{levels:?}: {}", cover.rows.len());
        }
    }

    /// No row has a forbidden pair, and what cannot be is named: the forbidden pair itself, and a pair for
    /// which no third level is left.
    #[test]
    fn impossible_pairs_are_left_out_and_named() {
        let levels = [4, 3, 2, 5];
        let forbidden = [[(0, 1), (1, 2)], [(0, 3), (2, 0)], [(1, 1), (2, 1)]];
        let together =
            |one, other| ![[one, other], [other, one]].iter().any(|p| forbidden.contains(p));
        let cover = cover(&levels, together);
        for pair in pairs(&levels) {
            // Neither level of the third factor suits both.
            let implied = pair == [(0, 3), (1, 1)];
            let impossible = forbidden.contains(&pair) || implied;
            assert_eq!(shows(&cover, pair), !impossible, "{pair:?}");
            let named = cover.impossible.iter().any(|[a, b]| [*a, *b] == pair || [*b, *a] == pair);
            assert_eq!(named, impossible, "{pair:?}");
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        let levels = [5, 4, 3, 3];
        assert_eq!(cover(&levels, |_, _| true), cover(&levels, |_, _| true));
    }
}
