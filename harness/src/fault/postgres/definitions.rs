//! Damage to what is not a row: objects dropped, switched off or set back.

use sqlx::{PgConnection, Row as _};

use super::{nothing_to_damage, run};
use crate::error::{Context as _, Error, Result};
use crate::fault::{Damage, Injury};

/// A query for the victims, as the name that the judges give it and the statement that damages it.
fn victims(damage: Damage) -> Result<&'static str> {
    Ok(match damage {
        Damage::TableGone => {
            "select format('%I.%I', n.nspname, c.relname), format('drop table %I.%I cascade', n.nspname, c.relname) \
            from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind = 'r' and not c.relispartition and c.reltuples <> 0 and {user}"
        }
        // One that no constraint stands on: those go with their constraint.
        Damage::IndexGone => {
            "select format('index %I.%I', n.nspname, c.relname), format('drop index %I.%I', n.nspname, c.relname) \
            from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind = 'i' and not c.relispartition and {user} \
              and not exists (select from pg_constraint k where k.conindid = c.oid)"
        }
        Damage::IndexInvalid => {
            "select format('index %I.%I', n.nspname, c.relname), \
                format('update pg_index set indisvalid = false where indexrelid = %s', c.oid) \
            from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind = 'i' and not c.relispartition and not x.indisprimary and {user}"
        }
        Damage::ConstraintGone => {
            "select format('constraint %I.%I.%I', n.nspname, c.relname, k.conname), \
                format('alter table %I.%I drop constraint %I', n.nspname, c.relname, k.conname) \
            from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
            where k.contype in ('f', 'c', 'x') and k.conparentid = 0 and k.conislocal and k.coninhcount = 0 \
              and c.relkind = 'r' and {user}"
        }
        Damage::TriggerGone => {
            "select format('trigger %I.%I.%I', n.nspname, c.relname, g.tgname), \
                format('drop trigger %I on %I.%I', g.tgname, n.nspname, c.relname) \
            from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace \
            where not g.tgisinternal and g.tgparentid = 0 and {user}"
        }
        Damage::GrantGone => {
            "select format('grant table %I.%I to %I', n.nspname, c.relname, r.rolname), \
                format('revoke all on table %I.%I from %I', n.nspname, c.relname, r.rolname) \
            from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral aclexplode(c.relacl) a \
            join pg_roles r on r.oid = a.grantee where c.relkind = 'r' and a.grantee <> c.relowner and {user}"
        }
        Damage::PolicyGone => {
            "select format('policy %I.%I.%I', schemaname, tablename, policyname), \
            format('drop policy %I on %I.%I', policyname, schemaname, tablename) from pg_policies"
        }
        Damage::SequenceBack => {
            "select format('%I.%I', schemaname, sequencename), \
            format('select setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value - 1) \
            from pg_sequences where last_value > min_value and increment_by > 0"
        }
        // NULL is the last value of one that was never asked.
        Damage::SequenceUncalled => {
            "select format('%I.%I', schemaname, sequencename), \
            format('select setval(%L, %s, false)', format('%I.%I', schemaname, sequencename), min_value) \
            from pg_sequences where last_value is null and start_value > min_value and increment_by > 0 and not cycle"
        }
        Damage::SequenceDescendingBack => {
            "select format('%I.%I', schemaname, sequencename), \
            format('select setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value + 1) \
            from pg_sequences where last_value < max_value and increment_by < 0"
        }
        Damage::ForeignKeyUnchecked => {
            "select format('check of constraint %I.%I.%I', n.nspname, c.relname, k.conname), \
                format('update pg_trigger set tgenabled = ''D'' where tgconstraint = %s', k.oid) \
            from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
            where k.contype = 'f' and k.conparentid = 0 and c.relkind = 'r' and {user}"
        }
        Damage::RuleDisabled => {
            "select format('rule %I.%I.%I', n.nspname, c.relname, r.rulename), \
                format('alter table %I.%I disable rule %I', n.nspname, c.relname, r.rulename) \
            from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace \
            where r.ev_enabled <> 'D' and c.relkind = 'r' and {user}"
        }
        Damage::DomainConstraintGone => {
            "select format('domain constraint %I.%I.%I', n.nspname, t.typname, k.conname), \
                format('alter domain %I.%I drop constraint %I', n.nspname, t.typname, k.conname) \
            from pg_constraint k join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace \
            where k.contype = 'c' and n.nspname <> 'information_schema'"
        }
        Damage::DefaultGrantGone => {
            "select format('default grant tables in %I for %I to %I', n.nspname, o.rolname, r.rolname), \
                format('alter default privileges for role %I in schema %I revoke all on tables from %I', o.rolname, n.nspname, r.rolname) \
            from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace join pg_roles o on o.oid = d.defaclrole, \
                lateral aclexplode(d.defaclacl) a join pg_roles r on r.oid = a.grantee where d.defaclobjtype = 'r'"
        }
        Damage::LargeObjectGone => {
            "select format('large object %s', oid), format('select lo_unlink(%s)', oid) \
            from pg_largeobject_metadata"
        }
        other => return Err(Error::usage(format!("{other} is no damage to a definition"))),
    })
}

const USER_SCHEMA: &str = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')";

pub(super) async fn damage(connection: &mut PgConnection, damage: Damage, seed: &str) -> Result<Injury> {
    let victims = victims(damage)?.replace("{user}", USER_SCHEMA);
    let sql = format!("select * from ({victims}) v(name, statement) order by md5(name || $1), name limit 1");
    let victim = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed).fetch_optional(&mut *connection).await;
    let victim =
        victim.context("choosing a victim")?.ok_or_else(|| nothing_to_damage("nothing of that kind"))?;
    let subject: String = victim.try_get(0).context("choosing a victim")?;
    let statement: String = victim.try_get(1).context("choosing a victim")?;
    run(connection, statement).await?;
    Ok(Injury { subject, key: None })
}
