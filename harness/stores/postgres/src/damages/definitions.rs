//! Damages to objects other than rows: dropped, disabled or set back.

use comeback_engine::damage::{Damage, DamageSpec, Injury};
use comeback_model::FindingCode;
use sqlx::Row as _;

use super::database::{Cluster, Database, nothing_to_damage, run};
use crate::error::{Context as _, Result};

/// A damage by a statement. The query returns the victims: each with the name that the judges use for it, and
/// the statement that damages it. `{user}` stands for [`USER_SCHEMA`].
macro_rules! definition {
    ($name:literal, $does:literal => $judge:literal, $finding:ident, $victims:literal) => {
        Damage {
            spec: DamageSpec { name: $name, does: $does, judge: $judge, finding: FindingCode::$finding },
            inject: |aim| Box::pin(damage(aim.on, aim.seed, $victims)),
        }
    };
}

/// Damages to definitions.
pub(super) const DAMAGES: &[Damage<Cluster>] = &[
    definition!(
        "table-gone",
        "a table is dropped" => "fingerprint",
        TableMissing,
        "select format('%I.%I', n.nspname, c.relname), format('drop table %I.%I cascade', n.nspname, c.relname) \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind = 'r' and not c.relispartition and c.reltuples <> 0 and {user}"
    ),
    // Only indexes without a constraint: the others go with their constraint.
    definition!(
        "index-gone",
        "an index is dropped" => "catalogue",
        ObjectMissing,
        "select format('index %I.%I', n.nspname, c.relname), format('drop index %I.%I', n.nspname, c.relname) \
        from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind = 'i' and not c.relispartition and {user} \
          and not exists (select from pg_constraint k where k.conindid = c.oid)"
    ),
    definition!(
        "index-invalid",
        "an index is marked invalid: the planner ignores it" => "catalogue",
        IndexInvalid,
        "select format('index %I.%I', n.nspname, c.relname), \
            format('update pg_index set indisvalid = false where indexrelid = %s', c.oid) \
        from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind = 'i' and not c.relispartition and not x.indisprimary and {user}"
    ),
    definition!(
        "constraint-gone",
        "a constraint is dropped" => "catalogue",
        ObjectMissing,
        "select format('constraint %I.%I.%I', n.nspname, c.relname, k.conname), \
            format('alter table %I.%I drop constraint %I', n.nspname, c.relname, k.conname) \
        from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
        where k.contype in ('f', 'c', 'x') and k.conparentid = 0 and k.conislocal and k.coninhcount = 0 \
          and c.relkind = 'r' and {user}"
    ),
    definition!(
        "trigger-gone",
        "a trigger is dropped" => "catalogue",
        ObjectMissing,
        "select format('trigger %I.%I.%I', n.nspname, c.relname, g.tgname), \
            format('drop trigger %I on %I.%I', g.tgname, n.nspname, c.relname) \
        from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace \
        where not g.tgisinternal and g.tgparentid = 0 and {user}"
    ),
    definition!(
        "grant-gone",
        "a grant is revoked" => "catalogue",
        ObjectMissing,
        "select format('grant table %I.%I to %I', n.nspname, c.relname, r.rolname), \
            format('revoke all on table %I.%I from %I', n.nspname, c.relname, r.rolname) \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral aclexplode(c.relacl) a \
        join pg_roles r on r.oid = a.grantee where c.relkind = 'r' and a.grantee <> c.relowner and {user}"
    ),
    definition!(
        "policy-gone",
        "a row security policy is dropped" => "catalogue",
        ObjectMissing,
        "select format('policy %I.%I.%I', schemaname, tablename, policyname), \
        format('drop policy %I on %I.%I', policyname, schemaname, tablename) from pg_policies"
    ),
    definition!(
        "sequence-back",
        "a sequence gives out values that it gave out before" => "catalogue",
        SequenceBehind,
        "select format('%I.%I', schemaname, sequencename), \
        format('select setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value - 1) \
        from pg_sequences where last_value > min_value and increment_by > 0"
    ),
    // The last value is NULL if the sequence was never used.
    definition!(
        "sequence-uncalled",
        "a sequence that was to begin at a certain value, and that nobody has asked yet, begins at its smallest" => "catalogue",
        SequenceBehind,
        "select format('%I.%I', schemaname, sequencename), \
        format('select setval(%L, %s, false)', format('%I.%I', schemaname, sequencename), min_value) \
        from pg_sequences where last_value is null and start_value > min_value and increment_by > 0 and not cycle"
    ),
    definition!(
        "sequence-descending-back",
        "a sequence that counts down gives out values that it gave out before" => "catalogue",
        SequenceBehind,
        "select format('%I.%I', schemaname, sequencename), \
        format('select setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value + 1) \
        from pg_sequences where last_value < max_value and increment_by < 0"
    ),
    definition!(
        "foreign-key-unchecked",
        "a foreign key's triggers are switched off: it is there, and checks nothing" => "catalogue",
        ObjectChanged,
        "select format('check of constraint %I.%I.%I', n.nspname, c.relname, k.conname), \
            format('update pg_trigger set tgenabled = ''D'' where tgconstraint = %s', k.oid) \
        from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
        where k.contype = 'f' and k.conparentid = 0 and c.relkind = 'r' and {user}"
    ),
    definition!(
        "rule-disabled",
        "a rule is switched off" => "catalogue",
        ObjectChanged,
        "select format('rule %I.%I.%I', n.nspname, c.relname, r.rulename), \
            format('alter table %I.%I disable rule %I', n.nspname, c.relname, r.rulename) \
        from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace \
        where r.ev_enabled <> 'D' and c.relkind = 'r' and {user}"
    ),
    definition!(
        "domain-constraint-gone",
        "a constraint of a domain is dropped" => "catalogue",
        ObjectMissing,
        "select format('domain constraint %I.%I.%I', n.nspname, t.typname, k.conname), \
            format('alter domain %I.%I drop constraint %I', n.nspname, t.typname, k.conname) \
        from pg_constraint k join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace \
        where k.contype = 'c' and n.nspname <> 'information_schema'"
    ),
    definition!(
        "default-grant-gone",
        "tables that are created later are not granted to a role any more" => "catalogue",
        ObjectMissing,
        "select format('default grant tables in %I for %I to %I', n.nspname, o.rolname, r.rolname), \
            format('alter default privileges for role %I in schema %I revoke all on tables from %I', o.rolname, n.nspname, r.rolname) \
        from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace join pg_roles o on o.oid = d.defaclrole, \
            lateral aclexplode(d.defaclacl) a join pg_roles r on r.oid = a.grantee where d.defaclobjtype = 'r'"
    ),
    definition!(
        "large-object-gone",
        "a large object is unlinked" => "catalogue",
        ObjectMissing,
        "select format('large object %s', oid), format('select lo_unlink(%s)', oid) \
        from pg_largeobject_metadata"
    ),
];

/// Keeps relations `c` in schemas `n` that belong to users.
const USER_SCHEMA: &str = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')";

async fn damage(on: Database<'_>, seed: u64, victims: &str) -> Result<Injury> {
    let connection = &mut on.connect().await?;
    let victims = victims.replace("{user}", USER_SCHEMA);
    let sql = format!("select * from ({victims}) v(name, statement) order by md5(name || $1), name limit 1");
    let victim =
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed.to_string()).fetch_optional(&mut *connection).await;
    let victim =
        victim.context("choosing a victim")?.ok_or_else(|| nothing_to_damage("nothing of that kind"))?;
    let subject: String = victim.try_get(0).context("choosing a victim")?;
    let statement: String = victim.try_get(1).context("choosing a victim")?;
    run(connection, statement).await?;
    Ok(Injury::to(subject))
}
