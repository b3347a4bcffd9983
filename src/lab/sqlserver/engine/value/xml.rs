//! Whether text is XML as a column of that type takes it: documents and fragments.
//!
//! Looked at: tags and their nesting, comments, CDATA, processing instructions. Not looked at:
//! attributes, entities, schemas.

/// The text without its declaration, which the type does not keep; else the number and the text
/// of the server's error.
pub fn check(text: &str) -> Result<String, (i32, String)> {
    let body = text.trim_start_matches('\u{feff}');
    let body = match body.strip_prefix("<?xml ") {
        Some(rest) => rest.split_once("?>").ok_or_else(|| error(9400, "unexpected end of input"))?.1.trim_start(),
        None => body,
    };
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let end = |mark: &str| rest.find(mark).map(|at| at + mark.len()).ok_or_else(|| error(9400, "unexpected end of input"));
        let length = if rest.starts_with("<!--") {
            end("-->")?
        } else if rest.starts_with("<![CDATA[") {
            end("]]>")?
        } else if rest.starts_with("<?") {
            end("?>")?
        } else {
            let length = end(">")?;
            let tag = &rest[1..length - 1];
            let name = |tag: &'_ str| tag.split(|c: char| c.is_whitespace() || c == '/').next().map_or(0, str::len);
            if let Some(closing) = tag.strip_prefix('/') {
                if open.pop() != Some(closing.trim_end()) {
                    return Err(error(9436, "end tag does not match start tag"));
                }
            } else if !tag.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                return Err(error(9455, "illegal qualified name character"));
            } else if !tag.ends_with('/') {
                open.push(&tag[..name(tag)]);
            }
            length
        };
        rest = &rest[length..];
    }
    if open.is_empty() { Ok(body.to_owned()) } else { Err(error(9400, "unexpected end of input")) }
}

fn error(number: i32, what: &str) -> (i32, String) {
    (number, format!("XML parsing: line 1, character 1, {what}"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn tags_must_nest() {
        for good in ["", "text", "<a/>", "<a b=\"1\">x<c/></a>", "<a/><b/>", "<a><!-- < --><![CDATA[<]]></a>"] {
            assert_eq!(check(good).as_deref(), Ok(good));
        }
        assert_eq!(check("<?xml version=\"1.0\"?>\n<a/>").as_deref(), Ok("<a/>"));
        for (wrong, number) in [("<a>", 9400), ("<a></b>", 9436), ("</a>", 9436), ("<a", 9400), ("<1/>", 9455)] {
            assert_eq!(check(wrong).unwrap_err().0, number, "{wrong}");
        }
    }
}
