//! One kind of object: the query that reads it, and the system catalogues that it covers.

/// Leaves out schemas that belong to the server; `n` is the schema.
const USER_SCHEMA: &str = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_' ";

/// Leaves out objects that an extension created. `$class` and `$oid` name the object.
const NOT_OF_EXTENSION: &str = "not exists (select from pg_depend d where d.classid = '$class'::regclass \
     and d.objid = $oid and d.deptype = 'e') ";

/// Leaves out objects that belong to another object, such as the constructors of a range type.
const NOT_INTERNAL: &str = "not exists (select from pg_depend d where d.classid = '$class'::regclass \
     and d.objid = $oid and d.deptype = 'i') ";

/// The options of an object, in an order that does not depend on the order in which they were set.
const SORTED: &str = "(select string_agg(item::text, ', ' order by item::text) from unnest($list) item)";

/// The same for foreign objects, whose options may hold passwords: of such options only the name is read.
const WITHOUT_SECRETS: &str = "(select string_agg(case when item ~* '^[^=]*(pass|secret|key|token|cred)' \
     then split_part(item, '=', 1) || '=(not read)' else item end, ', ' order by item) from unnest($list) item)";

/// Grantees, with what `$acl` gives them if it differs from what `$standard` gives them.
const HELD: &str = "(select grantee, a.held from \
     (select grantee, $list as held from aclexplode($acl) group by 1) a full join \
     (select grantee, $list as held from aclexplode($standard) group by 1) s using (grantee) where a.held is distinct from s.held)";

/// The privileges of a grantee, as one text.
const PRIVILEGES: &str = "string_agg(distinct privilege_type || case when is_grantable then ' with grant option' else '' end, ', ')";

/// The grants of `objects(class, oid, sub, kind, owner, acl)` that differ from `$standard`, the access
/// control list of an object that has none. A stored list that equals the standard adds no grant. A revoked
/// standard grant appears as `none`.
const GRANTS: &str = "select format('%s %s to %s', o.type, o.identity, \
         case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end), coalesce(g.held, 'none') \
     from (select *, $standard as standard from objects x where acl is not null) x, \
         lateral {held:x.acl:x.standard} g, lateral pg_identify_object(x.class, x.oid, x.sub) o where o.identity is not null";

/// A kind of object.
///
/// The query returns identity and definition, both as text. It may contain:
///
/// - `{user}`: keeps only schemas `n` of users
/// - `{own:class:oid}`: leaves out what an extension created
/// - `{free:class:oid}`: leaves out what belongs to another object
/// - `{sorted:list}` and `{masked:list}`: print options
/// - `{grants: standard}`: selects the grants of `objects`
/// - `{held:acl:standard}`: what a list gives beyond another list
/// - `{since 16: new ;; old}`: one text for servers from this major version on, another for older ones
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in manifests and findings, such as `foreign server`.
    pub(super) name: &'static str,
    /// The system catalogues whose content its definitions show.
    pub(super) covers: &'static [&'static str],
    /// The oldest major version that has this kind; 0 for all.
    pub(super) since: u32,
    /// Identity and definition of each object.
    pub(super) query: &'static str,
}

impl Kind {
    /// The query for a server of this major version.
    pub(super) fn sql(&self, major: u32) -> String {
        self.sql_in(major, USER_SCHEMA)
    }

    /// The query, limited to objects in schemas `n` for which the condition holds.
    pub(super) fn sql_in(&self, major: u32, schemas: &str) -> String {
        let sql = choose(self.query, major).replace("{user}", schemas);
        let sql = fill(sql, "{grants:", |standard| GRANTS.replace("$standard", standard));
        let sql = fill(sql, "{held:", held);
        let sql = fill(sql, "{own:", |arguments| of_object(NOT_OF_EXTENSION, arguments));
        let sql = fill(sql, "{free:", |arguments| of_object(NOT_INTERNAL, arguments));
        let sql = fill(sql, "{sorted:", |list| SORTED.replace("$list", list));
        fill(sql, "{masked:", |list| WITHOUT_SECRETS.replace("$list", list))
    }
}

fn held(lists: &str) -> String {
    let (acl, standard) = lists.split_once(':').unwrap_or((lists, "null"));
    HELD.replace("$list", PRIVILEGES).replace("$acl", acl).replace("$standard", standard)
}

fn of_object(condition: &str, arguments: &str) -> String {
    let (class, oid) = arguments.split_once(':').unwrap_or((arguments, "oid"));
    condition.replace("$class", class).replace("$oid", oid)
}

/// Replaces every `{start arguments}`.
fn fill(mut sql: String, start: &str, replacement: impl Fn(&str) -> String) -> String {
    while let Some((before, rest)) = sql.split_once(start) {
        let Some((arguments, after)) = rest.split_once('}') else { break };
        sql = format!("{before}{}{after}", replacement(arguments));
    }
    sql
}

/// Keeps the text for this major version of each `{since 16: new ;; old}`.
fn choose(query: &str, major: u32) -> String {
    fill(query.to_owned(), "{since ", |choice| {
        let (since, texts) = choice.split_once(':').unwrap_or((choice, ""));
        let (new, old) = texts.split_once(";;").unwrap_or((texts, "null"));
        let is_new = since.trim().parse().is_ok_and(|since: u32| major >= since);
        if is_new { new.to_owned() } else { old.to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_older_servers_for_nothing_that_they_do_not_have() {
        let query = "select {since 16: a.new ;; 'old'}, {since 17: b} where {own:pg_proc:p.oid}";
        let kind = Kind { name: "x", covers: &[], since: 0, query };
        assert!(kind.sql(15).starts_with("select  'old', null where not exists (select from pg_depend"));
        assert!(kind.sql(17).starts_with("select  a.new ,  b where "));
        assert!(kind.sql(17).contains("'pg_proc'::regclass and d.objid = p.oid"));
    }
}
