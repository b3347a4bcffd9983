//! geography and geometry, kept as `SRID;WKT` with every number of every point.

/// A value taken apart.
#[derive(Clone, PartialEq, Debug)]
pub struct Shape {
    pub srid: i32,
    /// With Z and M where they were given.
    pub text: String,
}

impl Shape {
    #[must_use]
    pub fn stored(&self) -> String {
        format!("{};{}", self.srid, self.text)
    }

    #[must_use]
    pub fn of_stored(stored: &str) -> Option<Self> {
        let (srid, text) = stored.split_once(';')?;
        Some(Self { srid: srid.parse().ok()?, text: text.to_owned() })
    }

    /// Of a single point: X and Y (of a geography longitude and latitude), when it has no more.
    #[must_use]
    pub fn point(&self) -> Option<(f64, f64)> {
        let inner = self.text.strip_prefix("POINT (")?.strip_suffix(')')?;
        let (x, y) = inner.split_once(' ')?;
        Some((x.parse().ok()?, y.parse().ok()?))
    }

    /// What STAsText gives: X and Y alone.
    #[must_use]
    pub fn flat(&self) -> String {
        let mut out = String::new();
        let mut numbers = 0;
        for piece in self.text.split_inclusive([' ', ',', '(', ')']) {
            let word = piece.trim_end_matches([' ', ',', '(', ')']);
            if word.parse::<f64>().is_ok() {
                numbers += 1;
                if numbers > 2 {
                    out.truncate(out.trim_end().len());
                    out.push_str(&piece[word.len()..]);
                } else {
                    out.push_str(piece);
                }
            } else {
                out.push_str(piece);
            }
            if piece.ends_with([',', '(', ')']) {
                numbers = 0;
            }
        }
        out
    }
}

const SHAPES: &[&str] = &["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];

/// Well-known text in the form in which the server writes it; else what is wrong with it. `globe`
/// checks latitudes.
pub fn parse(text: &str, srid: i32, globe: bool) -> Result<Shape, String> {
    let mut out = String::new();
    let mut rest = text.trim();
    let mut depth = 0_i32;
    let mut point: Vec<f64> = Vec::new();
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',')).unwrap_or(rest.len());
        if end > 0 {
            let word = &rest[..end];
            let upper = word.to_ascii_uppercase();
            if SHAPES.contains(&upper.as_str()) || upper == "EMPTY" {
                if !out.is_empty() && !out.ends_with(['(', ' ']) {
                    out.push(' ');
                }
                out.push_str(&upper);
            } else {
                let number: f64 =
                    word.parse().map_err(|_| format!("24114: The label {word} in the input well-known text (WKT) is not valid."))?;
                if depth == 0 {
                    return Err("24142: Expected \"(\" in the input well-known text (WKT).".into());
                }
                point.push(number);
                if !out.ends_with(['(', ' ']) {
                    out.push(' ');
                }
                out.push_str(&number.to_string());
            }
            rest = &rest[end..];
        } else {
            if matches!(c, ')' | ',') && !point.is_empty() {
                match point.as_slice() {
                    [_] => return Err("24141: A number is expected in the input well-known text (WKT).".into()),
                    [_, y, ..] if globe && y.abs() > 90.0 => {
                        return Err("24201: Latitude values must be between -90 and 90 degrees.".into());
                    }
                    _ => point.clear(),
                }
            }
            match c {
                '(' => {
                    depth += 1;
                    out.push_str(if out.ends_with(['(', ' ']) { "(" } else { " (" });
                }
                ')' => {
                    depth -= 1;
                    out.push(')');
                }
                ',' => out.push_str(", "),
                _ => {}
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    let named = SHAPES.iter().any(|shape| out.starts_with(&format!("{shape} ")));
    if depth == 0 && named { Ok(Shape { srid, text: out }) } else { Err("24111: The well-known text (WKT) input is not valid.".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_in_one_form() {
        let shown = |text| parse(text, 4326, true).map(|shape| shape.text);
        assert_eq!(shown("point(-122.35 47.650)").unwrap(), "POINT (-122.35 47.65)");
        assert_eq!(shown("LINESTRING(0 0,1  1)").unwrap(), "LINESTRING (0 0, 1 1)");
        assert_eq!(shown("POLYGON((0 0, 1 0, 1 1, 0 0))").unwrap(), "POLYGON ((0 0, 1 0, 1 1, 0 0))");
        assert_eq!(shown("POINT EMPTY").unwrap(), "POINT EMPTY");
        assert_eq!(shown("GEOMETRYCOLLECTION (POINT (1 2), POINT (3 4))").unwrap(), "GEOMETRYCOLLECTION (POINT (1 2), POINT (3 4))");
        for wrong in ["", "POINT", "POINT (1)", "CIRCLE (1 2)", "POINT (1 2", "POINT (0 91)", "1 2"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flat_text_has_no_z_and_no_m() {
        let shape = parse("LINESTRING (1 2 3 4, 5 6 7)", 0, false).unwrap();
        assert_eq!(shape.text, "LINESTRING (1 2 3 4, 5 6 7)");
        assert_eq!(shape.flat(), "LINESTRING (1 2, 5 6)");
        assert_eq!(Shape::of_stored(&shape.stored()), Some(shape));
        assert_eq!(parse("POINT (1 2)", 0, false).unwrap().point(), Some((1.0, 2.0)));
    }
}
