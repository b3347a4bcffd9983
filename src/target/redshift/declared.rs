//! What a source column becomes, and what production and staging declare for it.

use super::catalogue;
use super::connect::Session;
use super::names::{self, Names};
use super::types;
use crate::config::RedshiftSettings;
use crate::model::{Column, Fault};
use crate::target::{ColumnPlan, Declared, DeclaredColumns};

/// Decided from the column alone, as prepare decides it.
#[must_use]
pub fn plan(column: &Column) -> ColumnPlan {
    let name = names::fold(&column.name);
    let in_key = types::refuse_in_key(&column.sql_type).filter(|_| column.is_key());
    let policy = types::refuse_policy(column).map(|why| format!("the policy {:?} cannot hold: {why}", column.unfit.as_str()));
    match types::map(column) {
        Ok(mapped) => ColumnPlan {
            name,
            target_type: Some(mapped.rs.to_string()),
            lossy: mapped.lossy,
            refused: in_key.map(|refused| refused.why).or(policy),
        },
        Err(refused) => ColumnPlan { name, target_type: None, lossy: Vec::new(), refused: Some(refused.why) },
    }
}

/// Reads the catalogue; a table that is not there declares nothing.
pub async fn read(settings: &RedshiftSettings, names: &Names, columns: &[Column]) -> Result<DeclaredColumns, Fault> {
    let mut session = Session::open(settings).await?;
    let production = catalogue::columns(&mut session, &names.production).await?;
    let staging = catalogue::columns(&mut session, &names.staging).await?;
    let wanted: Vec<String> = columns.iter().map(|column| names::fold(&column.name)).collect();
    let declared = columns.iter().zip(&wanted).map(|(column, name)| {
        let find = |found: &[catalogue::FoundColumn]| found.iter().find(|found| found.name == *name).cloned();
        let (production, staging) = (find(&production), find(&staging));
        let fits = |found: &catalogue::FoundColumn| {
            types::map(column).is_ok_and(|mapped| found.rs.is_some_and(|have| types::fits(mapped.rs, have)))
        };
        Declared {
            fits: production.as_ref().zip(staging.as_ref()).map(|(production, staging)| fits(production) && fits(staging)),
            production: production.map(|found| found.type_text),
            staging: staging.map(|found| found.type_text),
        }
    });
    let more = production.iter().filter(|found| !wanted.contains(&found.name)).map(|found| found.name.clone());
    Ok(DeclaredColumns { columns: declared.collect(), more: more.collect() })
}

#[cfg(test)]
mod tests {
    use super::super::shapes::tests::column;
    use super::*;
    use crate::model::{SqlType, Unfit};

    #[test]
    fn a_plan_tells_type_warnings_and_refusals() {
        let name = plan(&column("Name", 1, SqlType::NVarChar { length: 20 }, None));
        assert_eq!(
            (name.name.as_str(), name.target_type.as_deref(), name.lossy.len(), name.refused),
            ("name", Some("VARCHAR(60)"), 0, None)
        );
        let at = plan(&column("At", 1, SqlType::DateTime2 { scale: 7 }, Some(1)));
        assert!(at.lossy[0].contains("seventh") && at.refused.unwrap().contains("key"));
        let vector = plan(&column("V", 1, SqlType::Other { name: "vector".into() }, None));
        assert!(vector.target_type.is_none() && vector.refused.unwrap().contains("vector"));
        let cut = plan(&Column { unfit: Unfit::Truncate, ..column("N", 1, SqlType::Int, None) });
        assert!(cut.refused.unwrap().contains("truncate"));
    }
}
