//! The properties of expectations.

use proptest::prelude::*;

use super::cases::cases;
use crate::Ledger;
use crate::ledger::Expectation;

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn what_is_expected_is_what_replay_gives(case in cases()) {
        let world = case.world();
        if let Err(wrong) = world.check(&world.expectation()) {
            return Err(TestCaseError::fail(format!("{:?} with {:?}: {wrong}", world.target, world.replay)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ledger_survives_its_json(case in cases()) {
        let world = case.world();
        let text = serde_json::to_string(&world.ledger).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Ledger>(&text).unwrap(), &world.ledger);
        let text = serde_json::to_string(&world.expectation()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Expectation>(&text).unwrap(), world.expectation());
    }
}
