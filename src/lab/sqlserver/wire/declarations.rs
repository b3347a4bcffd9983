//! The text that declares the parameters of a statement: `@id int, @price decimal(10, 2) OUTPUT`.

/// The declared names in their order.
pub(super) fn names(declarations: &str) -> Vec<String> {
    let mut depth = 0_u32;
    declarations
        .split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .filter_map(|declaration| declaration.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_a_type_do_not_separate() {
        assert_eq!(names("@id int,@price decimal(10, 2) OUTPUT, @name  nvarchar(max)"), ["@id", "@price", "@name"]);
        assert!(names("").is_empty());
    }
}
