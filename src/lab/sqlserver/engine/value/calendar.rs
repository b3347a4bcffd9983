//! The proleptic Gregorian calendar from 0001-01-01.

/// The last day, 9999-12-31.
pub const LAST_DAY: u32 = 3_652_058;

/// Days since 0001-01-01, or `None` for a date that does not exist.
#[must_use]
pub fn days(year: i32, month: u32, day: u32) -> Option<u32> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let before = i64::from(year) - 1;
    let mut days = before * 365 + before / 4 - before / 100 + before / 400;
    for m in 1..month {
        days += i64::from(days_in_month(year, m));
    }
    u32::try_from(days + i64::from(day) - 1).ok()
}

/// Year, month and day of a day number.
#[must_use]
pub fn date(days: u32) -> (i32, u32, u32) {
    // Civil-from-days with the year starting in March; 306 days lie between 0000-03-01 and 0001-01-01.
    let shifted = i64::from(days) + 306;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(1), u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

#[must_use]
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(days(1, 1, 1), Some(0));
        assert_eq!(days(1900, 1, 1), Some(693_595));
        assert_eq!(days(9999, 12, 31), Some(LAST_DAY));
        assert_eq!(days(2023, 2, 29), None);
        for d in (0..=LAST_DAY).step_by(97).chain([59, 60, 730_178, LAST_DAY]) {
            let (year, month, day) = date(d);
            assert_eq!(days(year, month, day), Some(d));
        }
    }
}
