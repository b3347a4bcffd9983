//! What happens in the company: each action gives the statements of one transaction.

use rand::RngExt;
use rand::rngs::StdRng;

use super::measurement;
use super::values::{bytes, clock, company, guid, large, moment, offset, or_null, phrase, pick, text};
use super::workload::{Known, customer_values, latin};

/// The statements of one transaction.
pub struct Statements {
    pub sql: Vec<String>,
    pub rolls_back: bool,
}

/// One transaction: mostly one action, sometimes a few, now and then one that is taken back.
pub fn transaction(rng: &mut StdRng, known: &mut Known) -> Statements {
    if rng.random_ratio(1, 40) {
        // Taken back: the keys that it would have made do not exist.
        let mut never = known.clone();
        let sql = vec![action(rng, &mut never)];
        // Identity values are used up all the same.
        (known.next_customer, known.next_order) = (never.next_customer, never.next_order);
        return Statements { sql, rolls_back: true };
    }
    let actions = if rng.random_ratio(1, 8) { rng.random_range(2..6) } else { 1 };
    Statements { sql: (0..actions).map(|_| action(rng, known)).collect(), rolls_back: false }
}

fn action(rng: &mut StdRng, known: &mut Known) -> String {
    match rng.random_range(0..100) {
        0..8 => new_customer(rng, known),
        8..18 => change_customer(rng, known),
        18..20 => drop_customer(rng, known),
        20..34 => new_order(rng, known),
        34..44 => change_order(rng, known),
        44..47 => drop_order(rng, known),
        47..50 => new_product(rng, known),
        50..58 => change_product(rng, known),
        58..63 => rename_product(rng, known),
        63..66 => replace_product(rng, known),
        66..72 => bins(rng, known),
        72..81 => slots(rng, known),
        81..88 => prices(rng, known),
        88..97 => measurements(rng, known),
        97..99 => door_events(rng),
        _ if known.turn.is_multiple_of(10) => {
            format!("UPDATE dbo.Country SET Name = {} WHERE Code = 'TR';", text(pick(rng, &["Türkiye", "Turkey", "Türkei"])))
        }
        _ => new_customer(rng, known),
    }
}

/// A key at random, or one that no row has.
fn some(rng: &mut StdRng, keys: &[i64]) -> i64 {
    if keys.is_empty() { -1 } else { *pick(rng, keys) }
}

/// Takes a key out.
fn take(rng: &mut StdRng, keys: &mut Vec<i64>) -> i64 {
    if keys.is_empty() { -1 } else { keys.swap_remove(rng.random_range(0..keys.len())) }
}

pub fn new_customer(rng: &mut StdRng, known: &mut Known) -> String {
    let count = if rng.random_ratio(1, 10) { rng.random_range(2..30) } else { 1 };
    let rows: Vec<String> = (0..count).map(|_| customer_values(rng)).collect();
    for _ in 0..count {
        known.customers.push(known.next_customer);
        known.next_customer += 1;
    }
    format!(
        "INSERT INTO dbo.Customer (Name, Email, Phone, CountryCode, CreditLimit, Discount, IsActive, CustomerFrom, CallAfter, Remarks)\nVALUES {};",
        rows.join(",\n       ")
    )
}

fn change_customer(rng: &mut StdRng, known: &Known) -> String {
    let id = some(rng, &known.customers);
    match rng.random_range(0..6) {
        0 => {
            let remarks = or_null(rng, 5, |rng| {
                let length = rng.random_range(0..9000);
                text(large(rng, length))
            });
            format!("UPDATE dbo.Customer SET Remarks = {remarks} WHERE CustomerId = {id};")
        }
        1 => format!("UPDATE dbo.Customer SET Discount = Discount, IsActive = 1 WHERE CustomerId BETWEEN {id} AND {};", id + 12),
        2 => format!("UPDATE dbo.Customer SET CreditLimit = NULL, Phone = NULL WHERE CustomerId = {id};"),
        3 => format!("UPDATE dbo.Customer SET CreditLimit = CreditLimit + 100 WHERE CustomerId BETWEEN {id} AND {};", id + 3),
        _ => {
            let name = company(rng);
            format!("UPDATE dbo.Customer SET Name = {}, CallAfter = '{}' WHERE CustomerId = {id};", text(&name), clock(rng, 0))
        }
    }
}

fn drop_customer(rng: &mut StdRng, known: &mut Known) -> String {
    format!("DELETE FROM dbo.Customer WHERE CustomerId = {};", take(rng, &mut known.customers))
}

pub fn new_order(rng: &mut StdRng, known: &mut Known) -> String {
    let id = known.next_order;
    known.next_order += 1;
    known.orders.push(id);
    let ship_to = or_null(rng, 3, |rng| text(phrase(rng)));
    let order = format!(
        "INSERT INTO dbo.[Order] (CustomerId, OrderedAt, PromisedFor, Status, Total, [Group], ShipTo)\nVALUES ({}, '{}', {}, 0, {}.{:04}, {}, {ship_to});",
        some(rng, &known.customers),
        moment(rng, 7),
        or_null(rng, 4, |rng| format!("'{}'", moment(rng, 0))),
        rng.random_range(0..50_000),
        rng.random_range(0..10_000),
        or_null(rng, 2, |rng| text(pick(rng, &["retail", "Großhandel", "online", ""]))),
    );
    let lines: Vec<String> = (1..=rng.random_range(1..6))
        .map(|line| {
            format!(
                "({id}, {line}, {}, {}, {}.{:04}, {}, {})",
                text(pick(rng, &known.products)),
                rng.random_range(1..200),
                rng.random_range(0..900),
                rng.random_range(0..10_000),
                or_null(rng, 5, |rng| format!("{}.25", rng.random_range(0..40))),
                or_null(rng, 3, |rng| text(phrase(rng))),
            )
        })
        .collect();
    format!(
        "{order}\nINSERT INTO dbo.[Order Line] (OrderId, [Line No], ProductCode, Quantity, [Unit Price], WeightKg, Remark)\nVALUES {};",
        lines.join(",\n       ")
    )
}

fn change_order(rng: &mut StdRng, known: &Known) -> String {
    let id = some(rng, &known.orders);
    match rng.random_range(0..5) {
        0 => format!("UPDATE dbo.[Order] SET Status = Status + 1 WHERE OrderId BETWEEN {id} AND {} AND Status < 9;", id + 20),
        1 => format!("UPDATE dbo.[Order Line] SET Quantity = Quantity + 1, Remark = {} WHERE OrderId = {id};", text(phrase(rng))),
        // Part of a composite key moves, for several rows at once.
        2 => format!("UPDATE dbo.[Order Line] SET [Line No] = [Line No] + 1 WHERE OrderId = {id};"),
        3 => format!("DELETE FROM dbo.[Order Line] WHERE OrderId = {id} AND [Line No] = 1;"),
        _ => format!("UPDATE dbo.[Order] SET Total = Total * 2 - 1, ShipTo = NULL WHERE OrderId = {id};"),
    }
}

fn drop_order(rng: &mut StdRng, known: &mut Known) -> String {
    let id = take(rng, &mut known.orders);
    format!("DELETE FROM dbo.[Order Line] WHERE OrderId = {id};\nDELETE FROM dbo.[Order] WHERE OrderId = {id};")
}

fn insert_product(rng: &mut StdRng, code: &str) -> String {
    let description = or_null(rng, 4, |rng| {
        let length = rng.random_range(5..20_000);
        text(large(rng, length))
    });
    format!(
        "INSERT INTO dbo.Product (ProductCode, Title, Price, RoastLevel, Acidity, Description, LabelText, Picture)\nVALUES ({}, {}, {}.{:02}, {}, {}, {description}, {}, {});",
        text(code),
        text(phrase(rng)),
        rng.random_range(1..400),
        rng.random_range(0..100),
        or_null(rng, 6, |rng| rng.random_range(0..12).to_string()),
        or_null(rng, 4, |rng| format!("{:E}", f64::from(rng.random_range(1..10_000)) / 777.0)),
        or_null(rng, 3, latin),
        or_null(rng, 2, |rng| {
            let length = rng.random_range(0..5000);
            bytes(rng, length)
        }),
    )
}

pub fn new_product(rng: &mut StdRng, known: &mut Known) -> String {
    let code = format!("{}-{:04}", pick(rng, &["Kenia", "yirga", "HUILA", "Sumátra", "it's", "Jämt 🫘"]), known.next_product);
    known.next_product += 1;
    known.products.push(code.clone());
    insert_product(rng, &code)
}

fn change_product(rng: &mut StdRng, known: &Known) -> String {
    let code = text(pick(rng, &known.products));
    match rng.random_range(0..6) {
        0 => "UPDATE dbo.Product SET Price = Price + 0.05 WHERE RoastLevel > 6;".into(),
        1 => format!("UPDATE dbo.Product SET Picture = NULL WHERE ProductCode = {code};"),
        2 => {
            let length = rng.random_range(20_000..30_000);
            format!("UPDATE dbo.Product SET Description = {} WHERE ProductCode = {code};", text(large(rng, length)))
        }
        3 => format!("UPDATE dbo.Product SET LabelText = {}, Description = NULL WHERE ProductCode = {code};", latin(rng)),
        _ => format!(
            "UPDATE dbo.Product SET Title = {}, RoastLevel = {} WHERE ProductCode = {code};",
            text(phrase(rng)),
            rng.random_range(0..12)
        ),
    }
}

/// A text key changes: in case only, by trailing blanks only, there and back in one transaction, or
/// to another code.
fn rename_product(rng: &mut StdRng, known: &mut Known) -> String {
    let at = rng.random_range(0..known.products.len());
    let old = known.products[at].clone();
    let flipped: String =
        old.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let rename = |from: &str, to: &str| format!("UPDATE dbo.Product SET ProductCode = {} WHERE ProductCode = {};", text(to), text(from));
    match rng.random_range(0..8) {
        0 => format!("{}\n{}", rename(&old, &flipped), rename(&flipped, &old)),
        1 => {
            let new = format!("{}-{:04}", pick(rng, &["Neu", "Ñandú", "new"]), known.next_product);
            known.next_product += 1;
            known.products[at].clone_from(&new);
            rename(&old, &new)
        }
        2 => {
            let trimmed = old.trim_end().to_owned();
            let new = if trimmed == old { format!("{old} ") } else { trimmed };
            known.products[at].clone_from(&new);
            rename(&old, &new)
        }
        _ => {
            known.products[at].clone_from(&flipped);
            rename(&old, &flipped)
        }
    }
}

/// Deleted and entered again in one transaction.
fn replace_product(rng: &mut StdRng, known: &Known) -> String {
    let code = pick(rng, &known.products);
    format!("DELETE FROM dbo.Product WHERE ProductCode = {};\n{}", text(code), insert_product(rng, code))
}

pub fn new_bin(rng: &mut StdRng, known: &mut Known) -> String {
    let id = guid(rng);
    known.bins.push(id.clone());
    let contents = or_null(rng, 3, |rng| {
        let length = rng.random_range(0..3000);
        text(large(rng, length))
    });
    format!(
        "INSERT INTO warehouse.[Stock]]Bin] (BinId, [Select], [Max [kg]]], CheckedAt, Seal, Contents)\nVALUES ({id}, {}, {}.{:03}, {}, {}, {contents});",
        or_null(rng, 3, |rng| text(pick(rng, &["links", "rechts", "ü", ""]))),
        rng.random_range(0..900_000),
        rng.random_range(0..1000),
        or_null(rng, 3, |rng| format!("'{}{}'", moment(rng, 7), offset(rng))),
        or_null(rng, 3, |rng| bytes(rng, 16)),
    )
}

fn bins(rng: &mut StdRng, known: &mut Known) -> String {
    if known.bins.len() < 4 || rng.random_ratio(1, 4) {
        return new_bin(rng, known);
    }
    let at = rng.random_range(0..known.bins.len());
    let id = known.bins[at].clone();
    match rng.random_range(0..4) {
        0 => {
            known.bins.swap_remove(at);
            format!("DELETE FROM warehouse.[Stock]]Bin] WHERE BinId = {id};")
        }
        1 => {
            known.bins[at] = guid(rng);
            format!("UPDATE warehouse.[Stock]]Bin] SET BinId = {} WHERE BinId = {id};", known.bins[at])
        }
        _ => format!(
            "UPDATE warehouse.[Stock]]Bin] SET [Max [kg]]] = {}.500, CheckedAt = '{}{}' WHERE BinId = {id};",
            rng.random_range(0..9000),
            moment(rng, 7),
            offset(rng)
        ),
    }
}

/// The nonclustered key: all slots move up, two change places, one moves twice.
fn slots(rng: &mut StdRng, known: &Known) -> String {
    let (a, b) = (rng.random_range(1..=known.slots), rng.random_range(1..=known.slots));
    let far = known.slots + 1000;
    match rng.random_range(0..7) {
        0 => "UPDATE warehouse.ShelfSlot SET SlotNo = SlotNo + 1;\nUPDATE warehouse.ShelfSlot SET SlotNo = SlotNo - 1;".into(),
        1 => format!(
            "UPDATE warehouse.ShelfSlot SET SlotNo = SlotNo + 1 WHERE SlotNo >= {a};\nUPDATE warehouse.ShelfSlot SET SlotNo = {a} WHERE SlotNo = {};",
            known.slots + 1
        ),
        2 | 3 => format!(
            "UPDATE warehouse.ShelfSlot SET SlotNo = CASE SlotNo WHEN {a} THEN {b} WHEN {b} THEN {a} END WHERE SlotNo IN ({a}, {b});"
        ),
        4 => format!(
            "UPDATE warehouse.ShelfSlot SET SlotNo = {far} WHERE SlotNo = {a};\nUPDATE warehouse.ShelfSlot SET SlotNo = {} WHERE SlotNo = {far};\nUPDATE warehouse.ShelfSlot SET SlotNo = {a} WHERE SlotNo = {};",
            far + 1,
            far + 1
        ),
        5 => format!("UPDATE warehouse.ShelfSlot SET Sketch = {} WHERE SlotNo = {a};", or_null(rng, 4, |rng| bytes(rng, 900))),
        _ => format!("UPDATE warehouse.ShelfSlot SET Pieces = Pieces + 1 WHERE SlotNo BETWEEN {} AND {};", a.min(b), a.max(b)),
    }
}

pub fn new_price(rng: &mut StdRng, known: &mut Known) -> String {
    let id = known.next_price;
    known.next_price += 1;
    known.prices.push(id);
    format!(
        "INSERT INTO [Größe].[Café Preise] (PreisNr, [Gültig ab], [Preis €], mixedCase, Notiz)\nVALUES ({id}, '{}', {}.{:010}, {}, {});",
        moment(rng, 3),
        rng.random_range(-1000..1_000_000),
        rng.random_range(0..10_000_000_000_i64),
        or_null(rng, 3, latin),
        or_null(rng, 3, |rng| text(phrase(rng))),
    )
}

/// The clustered key: a row moves, all rows move, a row goes and its successor takes its place.
fn prices(rng: &mut StdRng, known: &mut Known) -> String {
    if known.prices.len() < 5 || rng.random_ratio(1, 5) {
        return new_price(rng, known);
    }
    let at = rng.random_range(0..known.prices.len());
    let id = known.prices[at];
    match rng.random_range(0..5) {
        0 => {
            known.prices.iter_mut().for_each(|price| *price += 1);
            known.next_price += 1;
            "UPDATE [Größe].[Café Preise] SET PreisNr = PreisNr + 1;".into()
        }
        1 => {
            let new = known.next_price + 3;
            known.next_price = new + 1;
            known.prices[at] = new;
            format!("UPDATE [Größe].[Café Preise] SET PreisNr = {new}, mixedCase = {} WHERE PreisNr = {id};", latin(rng))
        }
        2 => {
            known.prices.swap_remove(at);
            let other = rng.random_range(0..known.prices.len());
            let from = std::mem::replace(&mut known.prices[other], id);
            format!(
                "DELETE FROM [Größe].[Café Preise] WHERE PreisNr = {id};\nUPDATE [Größe].[Café Preise] SET PreisNr = {id} WHERE PreisNr = {from};"
            )
        }
        _ => format!(
            "UPDATE [Größe].[Café Preise] SET [Preis €] = [Preis €] + 0.0000000001, Notiz = {} WHERE PreisNr >= {id};",
            text(phrase(rng))
        ),
    }
}

fn measurements(rng: &mut StdRng, known: &mut Known) -> String {
    match rng.random_range(0..5) {
        0 | 1 => {
            known.samples.push(known.next_sample);
            known.next_sample += 1;
            measurement::insert(rng, known.next_sample - 1)
        }
        2 if known.samples.len() > 10 => format!("DELETE FROM lab.Measurement WHERE SampleNo = {};", take(rng, &mut known.samples)),
        _ => {
            let key = some(rng, &known.samples);
            measurement::update(rng, key)
        }
    }
}

/// A burst.
fn door_events(rng: &mut StdRng) -> String {
    let rows: Vec<String> = (0..rng.random_range(50..400))
        .map(|_| {
            let at = format!("{}{}", moment(rng, 3), offset(rng));
            let badge = or_null(rng, 5, |rng| bytes(rng, 6));
            format!("('{at}', {}, {badge}, {})", rng.random_range(1..40), or_null(rng, 9, |rng| u8::from(rng.random::<bool>()).to_string()))
        })
        .collect();
    format!("INSERT INTO audit.DoorEvent (At, Door, BadgeNo, Opened)\nVALUES {};", rows.join(",\n       "))
}
