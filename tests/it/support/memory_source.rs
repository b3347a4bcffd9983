//! A source in memory: another engine than SQL Server behind the trait `Source`.
//!
//! Commits are captured at once. Hooks run just before a call answers, so that a test can place
//! a change, a clean-up or a restore exactly between two steps of a job; a gate holds a call, so
//! that whole jobs of others fit in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db_to_redshift::model::fault::src;
use db_to_redshift::model::privilege::Lacking;
use db_to_redshift::model::{
    CaptureIdentity, ChangeRow, Column, Fault, Lsn, MappingRow, Operation, SourceIdentity, TableName, TableShape, Value,
};
use db_to_redshift::source::{
    CaptureHealth, CaptureInstance, ChangesMode, ChangesRequest, CleanUp, DdlNote, FleetFacts, FleetInstance, FleetTable, MappingFacts,
    Pages, ProbeRange, ScanIsolation, ServerFacts, Source, SourceTable, TableFacts, Watermarks,
};
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use tokio::sync::watch;

use super::net::net;

/// Rows of a page: small, so that update pairs straddle pages.
const PAGE: usize = 3;

pub struct Table {
    pub instance: CaptureInstance,
    /// Another one that is only listed.
    pub older: Option<CaptureInstance>,
    pub tracked: bool,
    pub altered: Option<DateTime>,
    pub withheld: Vec<Fault>,
    pub ddl: Vec<DdlNote>,
    pub min: Lsn,
    pub rows: BTreeMap<Vec<u8>, Vec<Value>>,
    pub changes: Vec<ChangeRow>,
}

pub struct Inner {
    pub identity: SourceIdentity,
    pub tables: BTreeMap<TableName, Table>,
    pub mapping: Vec<MappingRow>,
    pub clock: DateTime,
    pub cdc_enabled: bool,
    /// What the server says of its capture.
    pub health: CaptureHealth,
    pub next: u32,
    pub rereads: usize,
    /// How changes were asked for.
    pub modes: Vec<ChangesMode>,
    /// Every scan breaks off.
    pub fail_scans: bool,
    pub probes: usize,
    /// Questions about the time mapping.
    pub mapped: usize,
    /// Calls of `changes` that are under way, and the most there ever were.
    pub reading: usize,
    pub most_reading: usize,
}

type Hook = Box<dyn FnOnce(&mut Inner) + Send>;

#[derive(Default)]
struct Hooks(HashMap<&'static str, Vec<Hook>>);

/// Holds one call of a method until it is opened.
#[derive(Clone)]
pub struct Gate(Arc<(watch::Sender<bool>, watch::Sender<bool>)>);

impl Gate {
    /// Waits until the call stands at the gate.
    pub async fn reached(&self) {
        self.0.0.subscribe().wait_for(|reached| *reached).await.unwrap();
    }

    pub fn open(&self) {
        self.0.1.send_replace(true);
    }

    async fn pass(&self) {
        self.0.0.send_replace(true);
        self.0.1.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[derive(Clone)]
pub struct MemorySource {
    inner: Arc<Mutex<Inner>>,
    hooks: Arc<Mutex<Hooks>>,
    gates: Arc<Mutex<Vec<(&'static str, Gate)>>>,
}

pub fn lsn(n: u32) -> Lsn {
    let mut bytes = [0; 10];
    bytes[6..].copy_from_slice(&n.to_be_bytes());
    Lsn::from_bytes(bytes)
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl MemorySource {
    pub fn new() -> Self {
        let identity = SourceIdentity { server: "MEMORY".into(), database: "shop".into(), database_guid: None, recovery_fork_guid: None };
        let clock = date(2026, 3, 2).at(9, 0, 0, 0);
        let inner = Inner {
            identity,
            tables: BTreeMap::new(),
            mapping: Vec::new(),
            clock,
            cdc_enabled: true,
            health: CaptureHealth { retention: Some(Duration::from_hours(72)), ..CaptureHealth::default() },
            next: 100,
            rereads: 0,
            modes: Vec::new(),
            fail_scans: false,
            probes: 0,
            mapped: 0,
            reading: 0,
            most_reading: 0,
        };
        let source = Self { inner: Arc::new(Mutex::new(inner)), hooks: Arc::default(), gates: Arc::default() };
        source.with(Inner::idle);
        source
    }

    pub fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.inner.lock().unwrap())
    }

    /// Runs once, just before the next call of the named method answers.
    pub fn before(&self, method: &'static str, hook: impl FnOnce(&mut Inner) + Send + 'static) {
        self.hooks.lock().unwrap().0.entry(method).or_default().push(Box::new(hook));
    }

    /// Holds the next call of the named method, whoever makes it, before it does anything.
    pub fn hold(&self, method: &'static str) -> Gate {
        let gate = Gate(Arc::new((watch::Sender::new(false), watch::Sender::new(false))));
        self.gates.lock().unwrap().push((method, gate.clone()));
        gate
    }

    fn gate(&self, method: &'static str) -> Option<Gate> {
        let mut gates = self.gates.lock().unwrap();
        let at = gates.iter().position(|(name, _)| *name == method)?;
        Some(gates.remove(at).1)
    }

    async fn enter<R>(&self, method: &'static str, act: impl FnOnce(&mut Inner) -> R) -> R {
        if let Some(gate) = self.gate(method) {
            gate.pass().await;
        }
        let hooks = self.hooks.lock().unwrap().0.get_mut(method).map(std::mem::take).unwrap_or_default();
        self.with(|inner| {
            for hook in hooks {
                hook(inner);
            }
            act(inner)
        })
    }

    /// A tracked table `dbo.<name>`.
    pub fn table(&self, name: &str, columns: Vec<Column>) -> TableName {
        self.table_in("dbo", name, columns)
    }

    pub fn table_in(&self, schema: &str, name: &str, columns: Vec<Column>) -> TableName {
        let table = TableName::new(schema, name);
        self.with(|inner| {
            let object_id = 1000 + i32::try_from(inner.tables.len()).unwrap();
            let start = inner.max();
            let instance = CaptureInstance {
                identity: CaptureIdentity { instance: format!("{schema}_{name}"), object_id, create_date: inner.clock },
                start_lsn: Some(start),
                supports_net_changes: false,
                role: None,
                shape: TableShape::new(columns),
                missing: Vec::new(),
                uncaptured: Vec::new(),
                beyond: Vec::new(),
                computed: Vec::new(),
                ddl_lsn: None,
            };
            inner.tables.insert(
                table.clone(),
                Table {
                    instance,
                    older: None,
                    tracked: true,
                    altered: None,
                    withheld: Vec::new(),
                    ddl: Vec::new(),
                    min: start,
                    rows: BTreeMap::new(),
                    changes: Vec::new(),
                },
            );
        });
        table
    }
}

/// One transaction; captured when the closure returns.
pub struct Transaction<'a> {
    inner: &'a mut Inner,
    lsn: Lsn,
    seq: u32,
}

impl Inner {
    pub fn max(&self) -> Lsn {
        self.mapping.last().map_or(Lsn::ZERO, |row| row.lsn)
    }

    fn map(&mut self, tran_id: &str) -> Lsn {
        self.next += 10;
        self.clock = self.clock.checked_add(1.seconds()).unwrap();
        let row = MappingRow { lsn: lsn(self.next), end_time: self.clock, tran_id: tran_id.into() };
        self.mapping.push(row);
        lsn(self.next)
    }

    /// Capture notes a change of the table's definition, and goes on.
    pub fn note_ddl(&mut self, table: &TableName, command: &str, alters_captured: bool) {
        self.idle();
        let (lsn, time) = (self.max(), self.clock);
        let table = self.get(table);
        (table.instance.ddl_lsn, table.altered) = (Some(lsn), Some(time));
        table.ddl.push(DdlNote { lsn, time, command: command.to_owned(), alters_captured });
        self.idle();
    }

    /// A dummy row of an idle log.
    pub fn idle(&mut self) {
        self.map("00");
    }

    pub fn commit(&mut self, act: impl FnOnce(&mut Transaction<'_>)) -> Lsn {
        let tran = format!("{:08x}", self.next);
        let lsn = self.map(&tran);
        act(&mut Transaction { inner: self, lsn, seq: 0 });
        lsn
    }

    pub fn get(&mut self, table: &TableName) -> &mut Table {
        self.tables.get_mut(table).unwrap()
    }

    fn instance(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.values_mut().find(|table| table.instance.identity.instance == name)
    }
}

impl Transaction<'_> {
    fn change(&mut self, table: &TableName, operation: Operation, mask: Vec<u8>, values: Vec<Value>, seq: u32) {
        let row = ChangeRow { lsn: self.lsn, command_id: 1, seqval: lsn(seq), operation, mask, values };
        self.inner.get(table).changes.push(row);
    }

    fn key(&mut self, table: &TableName, values: &[Value]) -> Vec<u8> {
        self.inner.get(table).instance.shape.key_identity(values)
    }

    pub fn insert(&mut self, table: &TableName, values: Vec<Value>) {
        self.seq += 1;
        let key = self.key(table, &values);
        assert!(self.inner.get(table).rows.insert(key, values.clone()).is_none(), "the key is taken");
        self.change(table, Operation::Insert, vec![0xff], values, self.seq);
    }

    pub fn delete(&mut self, table: &TableName, key: &[Value]) {
        self.seq += 1;
        let key = self.key(table, key);
        let values = self.inner.get(table).rows.remove(&key).expect("the row is there");
        self.change(table, Operation::Delete, vec![0xff], values, self.seq);
    }

    /// Sets columns (by position in the shape) of one row, logged as a 3/4 pair: large values
    /// that are not set are NULL in both images.
    pub fn update(&mut self, table: &TableName, key: &[Value], set: &[(usize, Value)]) {
        self.seq += 1;
        let old_key = self.key(table, key);
        let before = self.inner.get(table).rows.remove(&old_key).expect("the row is there");
        let mut after = before.clone();
        for (at, value) in set {
            after[*at] = value.clone();
        }
        let new_key = self.key(table, &after);
        self.inner.get(table).rows.insert(new_key, after.clone());
        let shape = self.inner.get(table).instance.shape.clone();
        let mut mask = [0u8];
        for (at, _) in set {
            mask[0] |= 1 << (shape.columns()[*at].ordinal - 1);
        }
        let blank = |mut values: Vec<Value>| {
            for (at, _) in shape.large_columns().filter(|(at, _)| set.iter().all(|(set, _)| set != at)) {
                values[at] = Value::Null;
            }
            values
        };
        let (before, after) = (blank(before), blank(after));
        self.change(table, Operation::Before, mask.to_vec(), before, self.seq);
        self.change(table, Operation::After, mask.to_vec(), after, self.seq);
    }
}

/// Rows that were read before the first page was asked for.
pub struct ReadyPages<R>(std::vec::IntoIter<R>);

impl<R: Send> Pages for ReadyPages<R> {
    type Row = R;

    async fn next_page(&mut self) -> Result<Option<Vec<R>>, Fault> {
        let page: Vec<R> = self.0.by_ref().take(PAGE).collect();
        Ok((!page.is_empty()).then_some(page))
    }
}

impl Source for MemorySource {
    type Changes = ReadyPages<ChangeRow>;
    type Scan = ReadyPages<Vec<Value>>;

    async fn start_up(&self) -> Result<ServerFacts, Fault> {
        let identity = self.enter("start_up", |inner| inner.identity.clone()).await;
        Ok(ServerFacts {
            identity,
            version: "0".into(),
            edition: "memory".into(),
            cdc_enabled: true,
            snapshot_isolation: true,
            encrypted: None,
            policies_unseen: None,
        })
    }

    async fn tables(&self) -> Result<Vec<SourceTable>, Fault> {
        let list = |inner: &mut Inner| {
            let line = |(name, table): (&TableName, &Table)| SourceTable {
                name: name.clone(),
                object_id: table.instance.identity.object_id,
                tracked: table.tracked,
                has_key: table.instance.shape.key_len() > 0,
                altered: table.altered,
            };
            inner.tables.iter().map(line).collect()
        };
        Ok(self.enter("tables", list).await)
    }

    async fn describe(&self, tables: &[TableName]) -> Result<Vec<Result<TableFacts, Fault>>, Fault> {
        Ok(self
            .enter("describe", |inner| {
                let facts = |name: &TableName| {
                    let table = inner.tables.get(name).ok_or_else(|| Fault::new(&src::NO_TABLE, format!("no table {name}")))?;
                    Ok(TableFacts {
                        name: name.clone(),
                        object_id: table.instance.identity.object_id,
                        tracked: table.tracked,
                        altered: table.altered,
                        columns: table.instance.shape.columns().iter().map(|column| column.name.clone()).collect(),
                        instances: [table.instance.clone()].into_iter().chain(table.older.clone()).collect(),
                        withheld: table.withheld.clone(),
                    })
                };
                tables.iter().map(facts).collect()
            })
            .await)
    }

    async fn lacking(&self, tables: &[TableFacts]) -> Result<Lacking, Fault> {
        Ok(Lacking { shared: Vec::new(), tables: vec![Vec::new(); tables.len()] })
    }

    async fn watermarks(&self, instances: &[String]) -> Result<Watermarks, Fault> {
        Ok(self
            .enter("watermarks", |inner| {
                let min = instances.iter().map(|name| inner.instance(name).map_or(Lsn::ZERO, |table| table.min)).collect();
                Watermarks { cdc_enabled: inner.cdc_enabled, max: Some(inner.max()).filter(|max| !max.is_zero()), min }
            })
            .await)
    }

    async fn first_changes(&self, ranges: &[ProbeRange]) -> Result<Vec<Option<Lsn>>, Fault> {
        self.enter("first_changes", |inner| {
            inner.probes += 1;
            if let Some(gone) = ranges.iter().find(|range| inner.instance(&range.instance).is_none()) {
                return Err(Fault::new(&src::OBJECT_GONE, format!("no change table of {}", gone.instance)));
            }
            let first = |range: &ProbeRange| {
                let rows = &inner.instance(&range.instance)?.changes;
                rows.iter().map(|row| row.lsn).filter(|lsn| (range.from..=range.to).contains(lsn)).min()
            };
            Ok(ranges.iter().map(first).collect())
        })
        .await
    }

    async fn window_end(&self, from: Lsn, max: Lsn, transactions: u32) -> Result<Lsn, Fault> {
        Ok(self
            .enter("window_end", |inner| {
                let above = inner.mapping.iter().map(|row| row.lsn).filter(|lsn| (from..=max).contains(lsn));
                above.take(transactions as usize).last().filter(|last| *last < max).unwrap_or(max)
            })
            .await)
    }

    async fn ddl_since(&self, capture: &CaptureIdentity, after: Lsn) -> Result<Vec<DdlNote>, Fault> {
        Ok(self
            .enter("ddl_since", |inner| {
                let notes = &inner.instance(&capture.instance).expect("the instance is there").ddl;
                notes.iter().filter(|note| note.lsn > after).cloned().collect()
            })
            .await)
    }

    async fn mappings(&self, at: &[Lsn]) -> Result<Vec<MappingFacts>, Fault> {
        Ok(self
            .enter("mappings", |inner| {
                inner.mapped += 1;
                let facts = |at: &Lsn| MappingFacts {
                    newest: inner.mapping.iter().rev().find(|row| row.lsn <= *at).cloned(),
                    oldest: inner.mapping.first().map(|row| row.lsn),
                };
                at.iter().map(facts).collect()
            })
            .await)
    }

    async fn lsn_at(&self, time: DateTime) -> Result<Option<Lsn>, Fault> {
        Ok(self.enter("lsn_at", |inner| inner.mapping.iter().rev().find(|row| row.end_time <= time).map(|row| row.lsn)).await)
    }

    async fn changes(&self, request: &ChangesRequest) -> Result<Self::Changes, Fault> {
        self.with(|inner| {
            inner.reading += 1;
            inner.most_reading = inner.most_reading.max(inner.reading);
        });
        Ok(self
            .enter("changes", |inner| {
                inner.reading -= 1;
                inner.modes.push(request.mode);
                let rows = &inner.instance(&request.instance).expect("the instance is there").changes;
                let wanted = rows.iter().filter(|row| (request.from..=request.to).contains(&row.lsn)).cloned();
                let mut wanted: Vec<_> = wanted.collect();
                wanted.sort_by_key(|row| (row.lsn, row.command_id, row.seqval, row.operation));
                let answer = if request.mode == ChangesMode::Net { net(wanted, &request.shape) } else { wanted };
                ReadyPages(answer.into_iter())
            })
            .await)
    }

    async fn key_changes(&self, request: &ChangesRequest, key: &[Value], most: u32) -> Result<Vec<ChangeRow>, Fault> {
        let identity = request.shape.key_identity(key);
        let mut pages = self.changes(request).await?;
        let mut found = Vec::new();
        while let Some(page) = pages.next_page().await? {
            found.extend(page.into_iter().filter(|row| request.shape.key_identity(&row.values) == identity));
        }
        found.truncate(most as usize);
        Ok(found)
    }

    async fn scan(&self, table: &TableName, _: &TableShape, _: ScanIsolation) -> Result<Self::Scan, Fault> {
        let rows = self.enter("scan", |inner| (!inner.fail_scans).then(|| inner.get(table).rows.values().cloned().collect::<Vec<_>>()));
        let broken = || Fault::new(&src::CONNECTION_LOST, format!("the scan of {table} broke off")).evidence("message", "on purpose");
        rows.await.map(|rows| ReadyPages(rows.into_iter())).ok_or_else(broken)
    }

    async fn reread(&self, table: &TableName, shape: &TableShape, keys: &[Vec<Value>]) -> Result<Self::Scan, Fault> {
        let rows = self.enter("reread", |inner| {
            inner.rereads += 1;
            let found: Vec<_> = keys.iter().filter_map(|key| inner.get(table).rows.get(&shape.key_identity(key)).cloned()).collect();
            ReadyPages(found.into_iter())
        });
        Ok(rows.await)
    }

    async fn clock(&self) -> Result<DateTime, Fault> {
        Ok(self.enter("clock", |inner| inner.clock).await)
    }

    async fn health(&self) -> Result<CaptureHealth, Fault> {
        Ok(self.enter("health", |inner| inner.health.clone()).await)
    }

    async fn fleet(&self) -> Result<FleetFacts, Fault> {
        let health = self.health().await?;
        Ok(self
            .enter("fleet", |inner| {
                let table = |(name, table): (&TableName, &Table)| FleetTable {
                    name: name.clone(),
                    instances: vec![FleetInstance { identity: table.instance.identity.clone(), start_lsn: Some(table.min) }],
                };
                FleetFacts {
                    cdc_enabled: true,
                    tables: inner.tables.iter().filter(|(_, table)| table.tracked).map(table).collect(),
                    newest: inner.mapping.last().cloned(),
                    oldest: inner.mapping.first().cloned(),
                    clock: inner.clock,
                    health,
                }
            })
            .await)
    }

    async fn clean_up_mark(&self, limit: Lsn) -> Result<Option<Lsn>, Fault> {
        Ok(self.enter("clean_up_mark", |inner| inner.mapping.iter().map(|row| row.lsn).rfind(|lsn| *lsn <= limit)).await)
    }

    async fn clean_up(&self, instance: &str, mark: Lsn) -> Result<CleanUp, Fault> {
        Ok(self
            .enter("clean_up", |inner| {
                if inner.mapping.iter().all(|row| row.lsn != mark) {
                    return CleanUp::ChooseAgain;
                }
                let table = inner.instance(instance).expect("the instance is there");
                if mark < table.min {
                    return CleanUp::AlreadyDone;
                }
                table.min = mark;
                table.changes.retain(|row| row.lsn >= mark);
                CleanUp::Done
            })
            .await)
    }

    async fn enable_database(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn enable_table(&self, table: &TableName, _: Option<&str>) -> Result<(), Fault> {
        self.with(|inner| inner.get(table).tracked = true);
        Ok(())
    }

    async fn add_instance(&self, table: &TableName, _: &CaptureIdentity, _: Option<&[String]>) -> Result<String, Fault> {
        Err(Fault::new(&src::ENABLE_REFUSED, format!("this engine has one instance of {table}, with all columns")))
    }
}
