//! Invented values as T-SQL literals, with the edges that break pipelines.

use std::fmt::Write as _;

use rand::RngExt;
use rand::rngs::StdRng;

/// `N'…'` with quotes doubled.
#[must_use]
pub fn text(value: impl AsRef<str>) -> String {
    format!("N'{}'", value.as_ref().replace('\'', "''"))
}

/// The same without the `N`: only for characters of code page 1252.
#[must_use]
pub fn ansi(value: impl AsRef<str>) -> String {
    format!("'{}'", value.as_ref().replace('\'', "''"))
}

/// One of them.
pub fn pick<'a, T>(rng: &mut StdRng, of: &'a [T]) -> &'a T {
    &of[rng.random_range(0..of.len())]
}

/// NULL one time in `n`.
pub fn or_null(rng: &mut StdRng, n: u32, value: impl FnOnce(&mut StdRng) -> String) -> String {
    if rng.random_ratio(1, n) { "NULL".into() } else { value(rng) }
}

const FIRST: [&str; 16] = [
    "Ada", "Bjørn", "Çelik", "D'Arcy", "Émile", "Fatou", "Grzegorz", "Håkon", "Ines", "Jürgen", "Kenji", "Łucja", "María", "Nguyễn",
    "O'Neil", "王",
];
const LAST: [&str; 12] = [
    "Roasters",
    "Kaffeehaus",
    "& Sons",
    "Café \"Zur Post\"",
    "Espresso-Bar",
    "Trading",
    "Coffee Co.",
    "コーヒー",
    "Deli, Ltd.",
    "Bäckerei",
    "Øl & Kaffe",
    "Mercado",
];

pub fn company(rng: &mut StdRng) -> String {
    format!("{} {}", pick(rng, &FIRST), pick(rng, &LAST))
}

/// Pieces that have broken one loader or another.
const AWKWARD: [&str; 24] = [
    "",
    " ",
    "trailing blanks   ",
    "  leading",
    "it's",
    "''",
    "\"quoted\"",
    "a,b;c|d\te",
    "line one\nline two",
    "carriage\r\nreturn",
    "back\\slash",
    "\\N",
    "\\",
    "NULL",
    "null",
    "☕ emoji 🫘👩‍🔬",
    "𝔘𝔫𝔦",
    "e\u{301} combining",
    "ﬀ ligature",
    "\u{200b}zero width",
    "%_[wild]",
    "--comment",
    "'; DROP TABLE x; --",
    "0x00",
];

/// A text for a Unicode column.
pub fn phrase(rng: &mut StdRng) -> String {
    if rng.random_ratio(1, 3) {
        return (*pick(rng, &AWKWARD)).to_owned();
    }
    let words = ["fruity", "nutty", "Röstung", "washed", "natural", "honey", "Grüße", "crème", "floral", "caramel", "citrus", "dark"];
    (0..rng.random_range(1..8)).map(|_| *pick(rng, &words)).collect::<Vec<_>>().join(" ")
}

/// A text that code page 1252 holds.
pub fn plain(rng: &mut StdRng) -> String {
    let all = [
        "",
        "plain",
        "it's",
        "a,b",
        "tab\there",
        "two\nlines",
        "blanks  ",
        "caf\u{e9}",
        "\u{20ac} 5",
        "\\N",
        "back\\slash",
        "\"q\"",
        "Stra\u{df}e",
    ];
    (*pick(rng, &all)).to_owned()
}

/// A large text of about so many characters: longer than a page, shorter than Redshift's VARCHAR.
pub fn large(rng: &mut StdRng, about: usize) -> String {
    let mut out = String::with_capacity(about + 40);
    while out.len() < about {
        out.push_str(&phrase(rng));
        out.push(if rng.random_ratio(1, 9) { '\n' } else { ' ' });
    }
    out
}

/// `0x…` of so many bytes.
pub fn bytes(rng: &mut StdRng, length: usize) -> String {
    (0..length).fold(String::from("0x"), |mut out, _| {
        let _ = write!(out, "{:02X}", rng.random::<u8>());
        out
    })
}

/// A GUID as text, in quotes.
pub fn guid(rng: &mut StdRng) -> String {
    let n: u128 = rng.random();
    format!("'{:08X}-{:04X}-{:04X}-{:04X}-{:012X}'", n >> 96, n >> 80 & 0xffff, n >> 64 & 0xffff, n >> 48 & 0xffff, n & 0xffff_ffff_ffff)
}

/// A day between 2015 and 2026, as in `2024-02-29`.
pub fn day(rng: &mut StdRng) -> String {
    let (year, month): (u16, u8) = (rng.random_range(2015..=2026), rng.random_range(1..=12));
    format!("{year:04}-{month:02}-{:02}", rng.random_range(1..=28))
}

/// A time of day with so many fraction digits.
pub fn clock(rng: &mut StdRng, digits: usize) -> String {
    let whole = format!("{:02}:{:02}:{:02}", rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60));
    if digits == 0 {
        return whole;
    }
    let fraction = format!("{:07}", rng.random_range(0..10_000_000));
    format!("{whole}.{}", &fraction[..digits])
}

/// `2024-02-29T13:14:15.1234567`, without quotes.
pub fn moment(rng: &mut StdRng, digits: usize) -> String {
    format!("{}T{}", day(rng), clock(rng, digits))
}

/// `+05:30`; within the 14 hours that SQL Server takes.
pub fn offset(rng: &mut StdRng) -> &'static str {
    const OFFSETS: [&str; 8] = ["+00:00", "+02:00", "-05:00", "+05:30", "-03:30", "+14:00", "-12:00", "+12:45"];
    OFFSETS[rng.random_range(0..OFFSETS.len())]
}
