//! LIKE.

/// LIKE with `%`, `_`, `[a-z]`, `[^…]` and an escape character; `fold` maps letters for comparison.
#[must_use]
pub fn like(value: &[u16], pattern: &[u16], escape: Option<u16>, fold: &dyn Fn(u16) -> u16) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return value.iter().all(|u| *u == 32) };
    if Some(first) == escape
        && let Some((&literal, rest)) = rest.split_first()
    {
        return value.split_first().is_some_and(|(v, tail)| fold(*v) == fold(literal) && like(tail, rest, escape, fold));
    }
    match char::from_u32(first.into()) {
        Some('%') => (0..=value.len()).any(|skip| like(&value[skip..], rest, escape, fold)),
        Some('_') => value.split_first().is_some_and(|(_, tail)| like(tail, rest, escape, fold)),
        Some('[') => {
            let Some(end) = rest.iter().skip(1).position(|u| *u == u16::from(b']')).map(|p| p + 1) else { return false };
            let (negated, set) = if rest[0] == u16::from(b'^') { (true, &rest[1..end]) } else { (false, &rest[..end]) };
            let Some((v, tail)) = value.split_first() else { return false };
            let v = fold(*v);
            let mut inside = false;
            let mut at = 0;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == u16::from(b'-') {
                    inside |= (fold(set[at])..=fold(set[at + 2])).contains(&v);
                    at += 3;
                } else {
                    inside |= fold(set[at]) == v;
                    at += 1;
                }
            }
            inside != negated && like(tail, &rest[end + 1..], escape, fold)
        }
        _ => value.split_first().is_some_and(|(v, tail)| fold(*v) == fold(first) && like(tail, rest, escape, fold)),
    }
}
