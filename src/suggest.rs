//! Suggests the name that a mistyped one may have meant.

/// Names with a lower similarity than this are different names. clap uses the same limit.
const ALIKE: f64 = 0.7;

/// The known name that is closest to an unknown one, if one is close.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|known| (strsim::jaro(name, known), known));
    let alike = alike.filter(|(alike, _)| *alike > ALIKE);
    alike.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood_and_nonsense_is_not() {
        let known = ["suite", "scale", "substrate"];
        assert_eq!(closest("sutie", known), Some("suite"));
        assert_eq!(closest("substrat", known), Some("substrate"));
        assert_eq!(closest("xyz", known), None);
        assert_eq!(closest("suite", []), None);
    }
}
