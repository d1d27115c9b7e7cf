//! What a mistyped name may have meant.

/// Names that are less alike than this are different names. It is where clap draws the line, too.
const ALIKE: f64 = 0.7;

/// The known name that is closest to one that is not known, where one is close.
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
