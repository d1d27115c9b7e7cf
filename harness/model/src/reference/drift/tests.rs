use proptest::prelude::*;

use super::*;

/// A table of an application: its rows on a day, and how its columns are filled.
#[derive(Debug, Clone)]
struct Application {
    rows: u64,
    /// The part that is added each day.
    daily: f64,
    /// Rows that are deleted each day: retention.
    removed: f64,
    columns: Vec<Filling>,
}

#[derive(Debug, Clone)]
struct Filling {
    null_share: f64,
    values: Values,
}

/// How the number of distinct values follows the number of rows.
#[derive(Debug, Clone, Copy)]
enum Values {
    Key,
    Categories(u64),
    Parents(u64),
}

impl Application {
    fn any() -> impl Strategy<Value = Self> {
        let values = prop_oneof![
            Just(Values::Key),
            (1_u64..40).prop_map(Values::Categories),
            (2_u64..9).prop_map(Values::Parents)
        ];
        let filling = (0.0_f64..1.0, values).prop_map(|(null_share, values)| Filling { null_share, values });
        let columns = proptest::collection::vec(filling, 1..4);
        (0_u64..200_000, 0.0_f64..0.05, 0.0_f64..0.006, columns)
            .prop_map(|(rows, daily, removed, columns)| Self { rows, daily, removed, columns })
    }

    /// The database on a day. `noise` is between −1 and 1: how far chance and the estimate are off.
    fn on(&self, day: u32, noise: f64) -> DatabaseProfile {
        let rows = self.rows as f64 * (1.0 + self.daily - self.removed).powi(day as i32);
        let rows = (rows + noise * rows.sqrt()).max(0.0).round();
        let column = |filling: &Filling| {
            let share = (filling.null_share + noise * 0.5 / rows.max(1.0).sqrt()).clamp(0.0, 1.0);
            let nulls = (rows * share).round().min(rows);
            let filled = rows - nulls;
            let distinct = match filling.values {
                Values::Key => filled,
                Values::Categories(number) => filled.min(number as f64),
                Values::Parents(each) => filled / each as f64,
            };
            let distinct = distinct * (1.0 + noise * 0.06);
            ColumnProfile { nulls: nulls as u64, distinct: Some(distinct.round() as u64) }
        };
        let columns = self.columns.iter().map(column).zip(1..).map(|(column, at)| (format!("c{at}"), column));
        let table = TableProfile { rows: rows as u64, columns: columns.collect(), ..TableProfile::default() };
        database([("public.t", table)])
    }
}

fn database<const N: usize>(tables: [(&str, TableProfile); N]) -> DatabaseProfile {
    let mut database = DatabaseProfile::default();
    for (name, table) in tables {
        let objects = database.catalogue.objects.entry("table".to_owned()).or_default();
        objects.insert(name.to_owned(), String::new());
        if let Some(root) = &table.partition_of {
            objects.insert(root.clone(), String::new());
        }
        database.tables.insert(name.to_owned(), table);
    }
    database
}

fn table(rows: u64, nulls: u64, distinct: u64) -> TableProfile {
    let columns = [("c".to_owned(), ColumnProfile { nulls, distinct: Some(distinct) })].into();
    TableProfile { rows, bytes: rows * 100, partition_of: None, columns }
}

fn found(before: TableProfile, after: TableProfile) -> Vec<(FindingCode, String)> {
    let (before, after) = (database([("public.t", before)]), database([("public.t", after)]));
    let drift = before.drift(&after, &Tolerance::default());
    drift.findings.into_iter().map(|finding| (finding.code, finding.subject)).collect()
}

fn rows_off() -> Vec<(FindingCode, String)> {
    vec![(FindingCode::RowCount, "public.t".to_owned())]
}

fn values_off() -> Vec<(FindingCode, String)> {
    vec![(FindingCode::ValuesDiffer, "public.t.c".to_owned())]
}

#[test]
fn what_is_off_is_found_and_once() {
    assert_eq!(found(table(100, 0, 100), table(70, 0, 70)), rows_off());
    assert_eq!(found(table(1_000_000, 0, 9), table(700_000, 0, 9)), rows_off());
    assert_eq!(found(table(10, 0, 10), table(0, 0, 0)), rows_off());
    assert_eq!(found(table(1_000, 0, 9), table(20_000, 0, 9)), rows_off());
    assert_eq!(found(table(1_000, 0, 500), table(1_000, 300, 400)), values_off());
    assert_eq!(found(table(1_000, 900, 9), table(1_000, 0, 9)), values_off());
    assert_eq!(found(table(1_000, 0, 1_000), table(1_000, 0, 1)), values_off());
    assert_eq!(found(table(1_000, 0, 4), table(1_000, 0, 1)), values_off());
    assert_eq!(found(table(1_000, 0, 4), table(1_000, 0, 900)), values_off());
}

#[test]
fn what_is_within_the_tolerance_is_not() {
    for (before, after) in [
        (table(0, 0, 0), table(900, 100, 50)),
        (table(4, 0, 4), table(0, 0, 0)),
        (table(100, 0, 100), table(81, 0, 81)),
        (table(1_000, 0, 2), table(1_000, 0, 1)),
        (table(19, 0, 19), table(19, 19, 0)),
        (table(1_000, 50, 900), table(3_000, 200, 2_500)),
    ] {
        assert_eq!(found(before, after), []);
    }
}

#[test]
fn partitions_come_and_go_and_the_rows_of_their_table_count() {
    let part = |rows| TableProfile { partition_of: Some("public.events".to_owned()), ..table(rows, 0, rows) };
    let before = database([("public.e1", part(500)), ("public.e2", part(500))]);
    let rolled = database([("public.e2", part(500)), ("public.e3", part(480))]);
    assert_eq!(before.drift(&rolled, &Tolerance::default()).findings, []);
    assert!(before.was_part_of_what_stays("public.e1", &rolled));
    let lost = database([("public.e2", part(500))]);
    let drift = before.drift(&lost, &Tolerance::default());
    assert_eq!(drift.findings.len(), 1);
    assert_eq!(drift.findings[0].subject, "public.events");
}

proptest! {
    #[test]
    fn a_month_of_ordinary_growth_is_silent(application in Application::any(), noise in -1.0_f64..1.0) {
        let before = application.on(0, 0.0);
        for day in 1..=31 {
            let turned = noise * if day % 2 == 0 { -1.0 } else { 1.0 };
            let drift = before.drift(&application.on(day, turned), &Tolerance::default());
            prop_assert!(drift.findings.is_empty(), "day {}: {:?}", day, drift.findings);
        }
    }

    #[test]
    fn a_table_that_lost_three_of_ten_rows_is_found(rows in 50_u64..10_000_000) {
        prop_assert_eq!(found(table(rows, 0, rows), table(rows * 7 / 10, 0, rows * 7 / 10)), rows_off());
    }
}
