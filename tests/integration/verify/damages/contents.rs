//! Damages to what a dump holds. It is restored all the same: who has nothing to compare it with does not see them.

use comeback_model::Statement::{Answered, Compared, Sound};

use super::edit::{cut_out, replace, rewrite};
use super::row::Does::Bytes;
use super::row::Found::{By, Unseen};
use super::row::Row;

const PLAIN: &str = "plain dump";

/// A definition that a reference and the live database differ from.
macro_rules! definition {
    ($code:literal, $subject:literal) => {
        &[By(Compared, &["reference", $code, $subject]), By(Compared, &["source", $code, $subject])]
    };
}

/// What the restored rows contradict by themselves. All of them are done to one dump.
pub(super) const UNSOUND: &[Row] = &[
    Row {
        name: "a sequence is set back",
        of: PLAIN,
        does: Bytes(|dump| {
            replace(dump, "'public.orders_id_seq', 2000, true", "'public.orders_id_seq', 17, true");
        }),
        found: &[By(Sound, &["sequences", "sequence-behind", "public.orders_id_seq"])],
    },
    Row {
        name: "is_called of a sequence is lost",
        of: PLAIN,
        does: Bytes(|dump| {
            replace(dump, "'public.customers_id_seq', 400, true", "'public.customers_id_seq', 400, false");
        }),
        found: &[By(Sound, &["sequences", "sequence-behind", "public.customers_id_seq"])],
    },
];

/// Every row is gone.
pub(super) const EMPTIED: &[Row] = &[Row {
    name: "no table has a row",
    of: PLAIN,
    does: Bytes(|dump| {
        for table in ["customers", "orders", "visits", "invoices", "lines", "rates", "drafts"] {
            rewrite(dump, table, |_, _| None);
        }
    }),
    found: &[By(Sound, &["content", "content-empty"])],
}];

/// What only evidence finds. All of them are done to one dump, which passes without evidence.
pub(super) const UNLIKE: &[Row] = &[
    Row {
        name: "a row of a frozen table is deleted",
        of: PLAIN,
        does: Bytes(|dump| rewrite(dump, "invoices", |_, row| (row[0] != "123").then(|| row.join("\t")))),
        found: &[
            By(Compared, &["reference", "content-differs", "public.invoices", "id=123"]),
            By(Compared, &["source", "content-differs", "public.invoices", "id=123"]),
            By(Answered, &["queries", "integrity-query", "invoices"]),
        ],
    },
    Row {
        name: "a bit is flipped in a row of a frozen table",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n1234\tnote", "\n1234\tnotd")),
        found: &[
            By(Compared, &["reference", "content-differs", "public.lines", "in note: id=1234"]),
            By(Compared, &["source", "content-differs", "public.lines", "in note: id=1234"]),
        ],
    },
    Row {
        name: "two rows of a frozen table have swapped a value",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n7\t107\n8\t108\n", "\n7\t108\n8\t107\n")),
        found: &[
            By(Compared, &["reference", "content-differs", "public.rates", "in percent: id=7; id=8"]),
            By(Compared, &["source", "content-differs", "public.rates", "in percent: id=7; id=8"]),
        ],
    },
    Row {
        name: "a bit is flipped in a row of a table that grows",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n9\tcustomer 9\t", "\n9\tcustomer 8\t")),
        found: &[Unseen("reference row-values"), Unseen("source row-values")],
    },
    Row {
        name: "two rows of a table that grows have swapped a value",
        of: PLAIN,
        does: Bytes(|dump| {
            rewrite(dump, "orders", |_, row| {
                let cents = match row[0] {
                    "1" => "2",
                    "2" => "1",
                    _ => row[2],
                };
                Some([row[0], row[1], cents, row[3]].join("\t"))
            });
        }),
        found: &[Unseen("reference row-values"), Unseen("source row-values")],
    },
    Row {
        name: "a third of the rows is gone",
        of: PLAIN,
        does: Bytes(|dump| rewrite(dump, "orders", |number, row| (number % 3 != 2).then(|| row.join("\t")))),
        found: &[
            By(Compared, &["reference", "row-count", "public.orders"]),
            By(Compared, &["source", "row-count", "public.orders"]),
        ],
    },
    Row {
        name: "a column is emptied",
        of: PLAIN,
        does: Bytes(|dump| {
            rewrite(dump, "customers", |_, row| Some([row[0], row[1], row[2], "\\N"].join("\t")));
        }),
        found: &[By(Compared, &["reference", "values-differ", "public.customers.mail"])],
    },
    Row {
        name: "a column has one value in every row",
        of: PLAIN,
        does: Bytes(|dump| rewrite(dump, "visits", |_, row| Some(format!("{}\tx", row[0])))),
        found: &[By(Compared, &["reference", "values-differ", "public.visits.page"])],
    },
    Row {
        name: "an index is missing",
        of: PLAIN,
        does: Bytes(|dump| cut_out(dump, "CREATE INDEX by_name", ";")),
        found: definition!("object-missing", "index public.by_name"),
    },
    Row {
        name: "an index is on another column",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "orders USING btree (customer)", "orders USING btree (cents)")),
        found: definition!("object-changed", "index public.by_customer"),
    },
    Row {
        name: "a trigger is missing",
        of: PLAIN,
        does: Bytes(|dump| cut_out(dump, "CREATE TRIGGER touched", ";")),
        found: definition!("object-missing", "trigger public.orders.touched"),
    },
    Row {
        name: "a function has another body",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "select 42", "select 43")),
        found: definition!("object-changed", "function public.answer()"),
    },
    Row {
        name: "a CHECK is weaker",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "CHECK ((cents > 0))", "CHECK ((cents > -9))")),
        found: definition!("object-changed", "constraint public.orders.orders_cents_check"),
    },
    Row {
        name: "a DEFAULT is lost",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, " DEFAULT now()", "")),
        found: definition!("object-missing", "default public.orders.placed_at"),
    },
    Row {
        name: "NOT NULL is lost",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "percent integer NOT NULL", "percent integer")),
        found: definition!("object-changed", "column public.rates.percent"),
    },
    Row {
        name: "a foreign key is missing",
        of: PLAIN,
        does: Bytes(|dump| {
            cut_out(dump, "ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT orders_customer_fkey", ";");
        }),
        found: &[
            By(Compared, &["reference", "object-missing constraint public.orders.orders_customer_fkey"]),
            By(
                Compared,
                &["reference", "object-missing", "check of constraint public.orders.orders_customer_fkey"],
            ),
            By(Compared, &["source", "object-missing constraint public.orders.orders_customer_fkey"]),
            By(
                Compared,
                &["source", "object-missing", "check of constraint public.orders.orders_customer_fkey"],
            ),
        ],
    },
    Row {
        name: "a view selects other rows",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "cents > 900", "cents > 9")),
        found: definition!("object-changed", "view public.dear"),
    },
    Row {
        name: "a grant is lost",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "GRANT SELECT ON TABLE public.visits TO PUBLIC;", "")),
        found: definition!("object-missing", "grant table public.visits"),
    },
    Row {
        name: "a table is missing",
        of: PLAIN,
        does: Bytes(|dump| {
            cut_out(dump, "CREATE TABLE public.drafts", ";");
            cut_out(dump, "ALTER TABLE public.drafts", ";");
            cut_out(dump, "COPY public.drafts", "\\.\n");
        }),
        found: definition!("object-missing", "table public.drafts"),
    },
    Row {
        name: "a materialised view is not filled",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "REFRESH MATERIALIZED VIEW public.totals;", "")),
        found: definition!("object-changed", "table public.totals"),
    },
    Row {
        name: "a sequence that no column uses is set back",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "'public.tickets', 77, true", "'public.tickets', 7, true")),
        found: &[By(Compared, &["reference", "sequence-behind", "public.tickets"])],
    },
];

/// An archive bears only changes that keep its length.
pub(super) const ARCHIVED: &[Row] = &[Row {
    name: "a bit is flipped in a row of a frozen table",
    of: "custom archive",
    does: Bytes(|dump| replace(dump, "1234\tnote", "1234\tnotd")),
    found: &[By(Compared, &["source", "content-differs", "public.lines", "in note: id=1234"])],
}];
