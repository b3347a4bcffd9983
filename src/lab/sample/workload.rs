//! The first rows, and the endless work that follows.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::actions;
use super::measurement;
use super::values::{ansi, company, day, pick, plain, text};

/// The keys that should exist now. Kept by the generator itself, as if nobody else wrote; a
/// statement that misses its row does no harm.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub customers: Vec<i64>,
    pub next_customer: i64,
    pub orders: Vec<i64>,
    pub next_order: i64,
    pub products: Vec<String>,
    pub next_product: u32,
    /// With their quotes.
    pub bins: Vec<String>,
    /// Slots are 1 to this; their numbers move but stay a dense range.
    pub slots: i64,
    pub prices: Vec<i64>,
    pub next_price: i64,
    pub samples: Vec<i64>,
    pub next_sample: i64,
    /// The workload's own transactions so far.
    pub turn: u64,
}

const CUSTOMERS: i64 = 40;
const PRODUCTS: u32 = 25;
const SLOTS: i64 = 30;
const PRICES: i64 = 20;

impl Known {
    fn empty() -> Self {
        Self {
            customers: vec![],
            next_customer: 1,
            orders: vec![],
            next_order: 1,
            products: vec![],
            next_product: 1,
            bins: vec![],
            slots: 0,
            prices: vec![],
            next_price: 1,
            samples: vec![],
            next_sample: 1,
            turn: 0,
        }
    }
}

/// The batches that fill the tables for the first time.
#[must_use]
pub fn seed_batches(seed: u64) -> Vec<String> {
    fill(seed).0
}

/// The same as a script, with `GO` between batches.
#[must_use]
pub fn seed_sql(seed: u64) -> String {
    seed_batches(seed).join("\nGO\n") + "\nGO\n"
}

fn fill(seed: u64) -> (Vec<String>, StdRng, Known) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut known = Known::empty();
    let r = &mut rng;
    let mut batches = Vec::new();
    let countries =
        [("DE", "Deutschland"), ("DK", "Danmark"), ("FR", "France"), ("JP", "日本"), ("PL", "Polska"), ("TR", "Türkiye"), ("BR", "Brasil")];
    let rows: Vec<String> = countries.iter().map(|(code, name)| format!("('{code}', {})", text(name))).collect();
    batches.push(format!("INSERT INTO dbo.Country (Code, Name) VALUES {};", rows.join(", ")));
    batches.push((0..PRODUCTS).map(|_| actions::new_product(r, &mut known)).collect::<Vec<_>>().join("\n"));
    batches.push((0..CUSTOMERS).map(|_| actions::new_customer(r, &mut known)).collect::<Vec<_>>().join("\n"));
    for _ in 0..CUSTOMERS {
        batches.push(actions::new_order(r, &mut known));
    }
    batches.push((0..12).map(|_| actions::new_bin(r, &mut known)).collect::<Vec<_>>().join("\n"));
    let slots: Vec<String> = (1..=SLOTS)
        .map(|slot| {
            let sketch = if slot % 3 == 0 { "NULL".into() } else { super::values::bytes(r, 300) };
            format!("({slot}, 'A{:02}', {}, {}, {sketch})", slot % 7, text(pick(r, &known.products)), r.random_range(0..500))
        })
        .collect();
    known.slots = SLOTS;
    batches.push(format!("INSERT INTO warehouse.ShelfSlot (SlotNo, Aisle, ProductCode, Pieces, Sketch) VALUES {};", slots.join(", ")));
    batches.push((0..PRICES).map(|_| actions::new_price(r, &mut known)).collect::<Vec<_>>().join("\n"));
    batches.push(measurement::edges().join("\n"));
    known.samples = (1..=measurement::edge_rows()).collect();
    known.next_sample = measurement::edge_rows() + 1;
    (batches, rng, known)
}

/// T-SQL batches without end; each is one transaction (one of them rolls back now and then).
/// To be run in order on a database that [`seed_batches`] with the same seed has filled.
#[derive(Debug)]
pub struct Workload {
    rng: StdRng,
    known: Known,
}

impl Workload {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (_, rng, known) = fill(seed);
        Self { rng, known }
    }
}

impl Iterator for Workload {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (rng, known) = (&mut self.rng, &mut self.known);
        known.turn += 1;
        let statements = actions::transaction(rng, known);
        let end = if statements.rolls_back { "ROLLBACK TRANSACTION" } else { "COMMIT TRANSACTION" };
        Some(format!("BEGIN TRANSACTION;\n{}\n{end};", statements.sql.join("\n")))
    }
}

/// A customer's row without its identity: `(…)`.
pub(super) fn customer_values(rng: &mut StdRng) -> String {
    let name = company(rng);
    let number: u32 = rng.random_range(1..10_000);
    let remarks = super::values::or_null(rng, 3, |rng| {
        let length = rng.random_range(5..6000);
        text(super::values::large(rng, length))
    });
    format!(
        "({}, '{}', {}, '{}', {}, {}, {}, '{}', {}, {remarks})",
        text(&name),
        format_args!("kontor{number}@example.org"),
        super::values::or_null(rng, 4, |rng| format!("'+49 {}'", rng.random_range(100_000..999_999))),
        pick(rng, &["DE", "DK", "FR", "JP", "PL", "TR"]),
        super::values::or_null(rng, 4, |rng| format!("{}.{:04}", rng.random_range(0..100_000), rng.random_range(0..10_000))),
        format_args!("{}.{:02}", rng.random_range(0..100), rng.random_range(0..100)),
        u8::from(rng.random_ratio(9, 10)),
        day(rng),
        super::values::or_null(rng, 2, |rng| format!("'{}'", super::values::clock(rng, 0))),
    )
}

/// A price's note or name in the Latin code page.
pub(super) fn latin(rng: &mut StdRng) -> String {
    ansi(plain(rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_work_again() {
        let work = |seed| (seed_batches(seed), Workload::new(seed).take(300).collect::<Vec<_>>());
        assert_eq!(work(7), work(7));
        assert_ne!(work(7), work(8));
    }

    #[test]
    fn every_kind_of_work_comes_up() {
        let all: String = Workload::new(1).take(2000).collect::<Vec<_>>().join("\n");
        for part in [
            "SET SlotNo = SlotNo +",
            "CASE SlotNo",
            "SET PreisNr = PreisNr +",
            "SET ProductCode =",
            "DELETE FROM dbo.Product",
            "[Stock]]Bin]",
            "ROLLBACK",
            "audit.DoorEvent",
            "dbo.Country",
            "lab.Measurement SET",
            "SET Remarks =",
        ] {
            assert!(all.contains(part), "{part}");
        }
    }
}
