//! The name that somebody probably meant.

/// The known name nearest to `wrong`, if one is near enough to be a slip of the keyboard.
pub(crate) fn nearest<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Distances are quadratic in length, and no field has a name this long.
    if wrong.is_empty() || wrong.len() > 100 {
        return None;
    }
    let plain = squeeze(wrong);
    let (distance, best) = known
        .into_iter()
        .map(|name| {
            let distance = if squeeze(name) == plain { 0 } else { strsim::damerau_levenshtein(wrong, name) };
            (distance, name)
        })
        .min_by_key(|(distance, _)| *distance)?;
    let most = (wrong.chars().count().max(best.chars().count()) / 3).clamp(1, 4);
    (distance <= most).then_some(best)
}

/// Whether `wrong` is `name` in another spelling, or but for one slip of the keyboard.
pub(crate) fn is_slip(wrong: &str, name: &str) -> bool {
    wrong.len() <= 100
        && (squeeze(wrong) == squeeze(name)
            || (wrong.len().abs_diff(name.len()) <= 1 && strsim::damerau_levenshtein(wrong, name) <= 1))
}

/// Case and separators apart: `http_headers`, `HTTPHeaders` and `httpHeaders` are one.
fn squeeze(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}
