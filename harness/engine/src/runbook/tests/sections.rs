//! Finding sections by names that people write.

use super::Runbook;

const TEXT: &str = "Preamble.\n# Road trip\n## 3. PostgreSQL\n### 3.1 Point-in-time recovery\n### 3.2 📦 Full restore\n\
                    text\n## 4. Redis\n### 4.1 Full restore\n### Backup/Restore of `keys`\n";

fn line_of(name: &str) -> Option<usize> {
    Runbook::parse("runbook.md", TEXT).section(name).ok().map(crate::runbook::Section::line)
}

#[test]
fn names_are_matched_without_what_people_vary() {
    assert_eq!(line_of("Point in time recovery"), Some(4));
    assert_eq!(line_of("POINT-IN-TIME RECOVERY"), Some(4));
    assert_eq!(line_of("9.9 point-in-time recovery"), Some(4));
    assert_eq!(line_of("3.2 Full restore"), Some(5), "a number decides where it is given");
    assert_eq!(line_of("postgresql / full restore"), Some(5));
    assert_eq!(line_of("Road trip › Redis › Full restore"), Some(8));
    assert_eq!(line_of("Backup/Restore of keys"), Some(9));
    assert_eq!(line_of("Redis / Backup/Restore of keys"), None, "a part of a path holds no slash");
    assert_eq!(line_of(""), None);
    assert_eq!(line_of("/"), None);
    assert_eq!(line_of("3"), None);
}

#[test]
fn what_is_not_found_is_answered_with_the_closest() {
    let runbook = Runbook::parse("runbook.md", TEXT);
    let error = runbook.section("Point in time recvery").unwrap_err();
    assert_eq!(error.message(), "no section of runbook.md is called \"Point in time recvery\"");
    assert!(
        error.hints()[0].starts_with("the closest headings are \"3. PostgreSQL / 3.1 Point-in-time"),
        "{error}"
    );
    let error = Runbook::parse("empty.md", "no headings").section("Full restore").unwrap_err();
    assert!(error.hints()[0].contains("no headings"), "{error}");
}

#[test]
fn what_is_ambiguous_is_answered_with_the_candidates() {
    let error = Runbook::parse("runbook.md", TEXT).section("full restore").unwrap_err();
    assert_eq!(
        error.message(),
        "2 sections of runbook.md are called \"full restore\": \"3. PostgreSQL / 3.2 📦 Full restore\" (line 5), \
         \"4. Redis / 4.1 Full restore\" (line 8)"
    );
}

#[test]
fn the_tree_covers_the_file() {
    let runbook = Runbook::parse("runbook.md", TEXT);
    let [root] = runbook.sections() else { panic!("one root") };
    assert_eq!((root.title(), root.level(), root.range()), ("Road trip", 1, 10..TEXT.len()));
    let titles = root.children().iter().map(crate::runbook::Section::title).collect::<Vec<_>>();
    assert_eq!(titles, ["3. PostgreSQL", "4. Redis"]);
    let full = runbook.section("3.2 Full restore").unwrap();
    assert!(TEXT[full.range()].starts_with("### 3.2") && TEXT[full.range()].ends_with("text\n"));
    assert_eq!(full.path(), ["Road trip", "3. PostgreSQL", "3.2 📦 Full restore"]);
}

#[test]
fn commands_are_read_with_language_and_line() {
    let text = "# A\n```sh\necho 1\n```\n\n    indented\n\n1. x\n\n   ```sql\n   SELECT 1;\n   SELECT 2;\n   ```\n# B\n```\nno\n```\n";
    let runbook = Runbook::parse("runbook.md", text);
    let commands = runbook.commands(runbook.section("A").unwrap());
    let read = commands.iter().map(|block| (&*block.language, &*block.text, block.line)).collect::<Vec<_>>();
    assert_eq!(read, [("sh", "echo 1\n", 2), ("sql", "SELECT 1;\nSELECT 2;\n", 10)]);
}

#[test]
fn tables_are_read_with_their_lines() {
    let runbook = Runbook::parse("runbook.md", "# A\n\n| **a** | b |\n|---|---|\n| 1 | [x](y) |\n| 2 |\n");
    let tables = runbook.tables(runbook.section("A").unwrap());
    let [table] = tables[..] else { panic!("one table") };
    assert_eq!((table.line, &table.header[..]), (3, &["a".to_owned(), "b".to_owned()][..]));
    let rows = table.rows.iter().map(|row| (row.line, row.cells.join(","))).collect::<Vec<_>>();
    assert_eq!(rows, [(5, "1,x".to_owned()), (6, "2,".to_owned())]);
}
