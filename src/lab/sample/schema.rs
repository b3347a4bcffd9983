//! The tables of the sample company, as T-SQL.

/// A table of the sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleTable {
    pub schema: &'static str,
    pub name: &'static str,
    /// The columns of the primary key.
    pub key: &'static [&'static str],
    create: &'static str,
}

/// In the order of creation. What each is there for stands with it.
pub const TABLES: &[SampleTable] = &[
    // Int identity; a large text that most updates leave alone; rowversion.
    SampleTable {
        schema: "dbo",
        name: "Customer",
        key: &["CustomerId"],
        create: "
CREATE TABLE dbo.Customer (
    CustomerId   int IDENTITY(1,1) NOT NULL,
    Name         nvarchar(100)  NOT NULL,
    Email        varchar(254)   NULL,
    Phone        varchar(24)    NULL,
    CountryCode  char(2)        NOT NULL,
    CreditLimit  money          NULL,
    Discount     decimal(5,2)   NOT NULL,
    IsActive     bit            NOT NULL,
    CustomerFrom date           NOT NULL,
    CallAfter    time(0)        NULL,
    Remarks      nvarchar(max)  NULL,
    RowVer       rowversion     NOT NULL,
    CONSTRAINT PK_Customer PRIMARY KEY CLUSTERED (CustomerId)
)",
    },
    // A reserved word; bigint identity.
    SampleTable {
        schema: "dbo",
        name: "Order",
        key: &["OrderId"],
        create: "
CREATE TABLE dbo.[Order] (
    OrderId     bigint IDENTITY(1,1) NOT NULL,
    CustomerId  int            NOT NULL,
    OrderedAt   datetime2(7)   NOT NULL,
    PromisedFor smalldatetime  NULL,
    Status      tinyint        NOT NULL,
    Total       decimal(19,4)  NOT NULL,
    [Group]     nvarchar(30)   NULL,
    ShipTo      nvarchar(400)  NULL,
    CONSTRAINT PK_Order PRIMARY KEY CLUSTERED (OrderId)
)",
    },
    // A blank in names; composite key of two types.
    SampleTable {
        schema: "dbo",
        name: "Order Line",
        key: &["OrderId", "Line No"],
        create: "
CREATE TABLE dbo.[Order Line] (
    OrderId      bigint        NOT NULL,
    [Line No]    smallint      NOT NULL,
    ProductCode  nvarchar(40)  NOT NULL,
    Quantity     int           NOT NULL,
    [Unit Price] smallmoney    NOT NULL,
    WeightKg     real          NULL,
    Remark       nvarchar(200) NULL,
    CONSTRAINT [PK_Order Line] PRIMARY KEY CLUSTERED (OrderId, [Line No])
)",
    },
    // A text key, whose case matters to no one but the target; three large columns.
    SampleTable {
        schema: "dbo",
        name: "Product",
        key: &["ProductCode"],
        create: "
CREATE TABLE dbo.Product (
    ProductCode nvarchar(40)    NOT NULL,
    Title       nvarchar(200)   NOT NULL,
    Price       decimal(10,2)   NOT NULL,
    RoastLevel  tinyint         NULL,
    Acidity     float           NULL,
    Description nvarchar(max)   NULL,
    LabelText   varchar(max)    NULL,
    Picture     varbinary(max)  NULL,
    CONSTRAINT PK_Product PRIMARY KEY CLUSTERED (ProductCode)
)",
    },
    // A GUID key; a bracket and a reserved word in names.
    SampleTable {
        schema: "warehouse",
        name: "Stock]Bin",
        key: &["BinId"],
        create: "
CREATE TABLE warehouse.[Stock]]Bin] (
    BinId        uniqueidentifier   NOT NULL,
    [Select]     nchar(8)           NULL,
    [Max [kg]]]  decimal(9,3)       NULL,
    CheckedAt    datetimeoffset(7)  NULL,
    Seal         binary(16)         NULL,
    Contents     nvarchar(max)      NULL,
    CONSTRAINT [PK_Stock]]Bin] PRIMARY KEY CLUSTERED (BinId)
)",
    },
    // The primary key is nonclustered: its changes are captured as before/after pairs.
    SampleTable {
        schema: "warehouse",
        name: "ShelfSlot",
        key: &["SlotNo"],
        create: "
CREATE TABLE warehouse.ShelfSlot (
    SlotNo      int           NOT NULL,
    Aisle       char(3)       NOT NULL,
    ProductCode nvarchar(40)  NULL,
    Pieces      smallint      NOT NULL,
    Sketch      varbinary(max) NULL,
    CONSTRAINT PK_ShelfSlot PRIMARY KEY NONCLUSTERED (SlotNo)
)",
    },
    // Clustered keys that move; mixed case and characters beyond ASCII in names.
    SampleTable {
        schema: "Größe",
        name: "Café Preise",
        key: &["PreisNr"],
        create: "
CREATE TABLE [Größe].[Café Preise] (
    PreisNr      int            NOT NULL,
    [Gültig ab]  datetime       NOT NULL,
    [Preis €]    decimal(38,10) NOT NULL,
    mixedCase    varchar(50)    NULL,
    Notiz        nvarchar(max)  NULL,
    CONSTRAINT [PK_Café] PRIMARY KEY CLUSTERED (PreisNr)
)",
    },
    // Written in bursts, never changed.
    SampleTable {
        schema: "audit",
        name: "DoorEvent",
        key: &["EventId"],
        create: "
CREATE TABLE audit.DoorEvent (
    EventId  bigint IDENTITY(1000,1) NOT NULL,
    At       datetimeoffset(3) NOT NULL,
    Door     smallint          NOT NULL,
    BadgeNo  varbinary(12)     NULL,
    Opened   bit               NULL,
    CONSTRAINT PK_DoorEvent PRIMARY KEY CLUSTERED (EventId)
)",
    },
    // Nobody touches it for days.
    SampleTable {
        schema: "dbo",
        name: "Country",
        key: &["Code"],
        create: "
CREATE TABLE dbo.Country (
    Code  char(2)       NOT NULL,
    Name  nvarchar(80)  NOT NULL,
    CONSTRAINT PK_Country PRIMARY KEY CLUSTERED (Code)
)",
    },
    // Every type, at its edges.
    SampleTable {
        schema: "lab",
        name: "Measurement",
        key: &["SampleNo"],
        create: "
CREATE TABLE lab.Measurement (
    SampleNo  int               NOT NULL,
    F_bit     bit               NULL,
    F_tiny    tinyint           NULL,
    F_small   smallint          NULL,
    F_int     int               NULL,
    F_big     bigint            NULL,
    F_dec9    decimal(9,2)      NULL,
    F_dec19   decimal(19,0)     NULL,
    F_dec38   decimal(38,12)    NULL,
    F_money   money             NULL,
    F_smoney  smallmoney        NULL,
    F_real    real              NULL,
    F_float   float             NULL,
    F_char    char(10)          NULL,
    F_varchar varchar(120)      NULL,
    F_nchar   nchar(10)         NULL,
    F_nvar    nvarchar(120)     NULL,
    F_vmax    varchar(max)      NULL,
    F_nvmax   nvarchar(max)     NULL,
    F_binary  binary(8)         NULL,
    F_varbin  varbinary(40)     NULL,
    F_vbmax   varbinary(max)    NULL,
    F_date    date              NULL,
    F_time0   time(0)           NULL,
    F_time7   time(7)           NULL,
    F_dt      datetime          NULL,
    F_sdt     smalldatetime     NULL,
    F_dt23    datetime2(3)      NULL,
    F_dt27    datetime2(7)      NULL,
    F_dto     datetimeoffset(7) NULL,
    F_guid    uniqueidentifier  NULL,
    F_ver     rowversion        NOT NULL,
    CONSTRAINT PK_Measurement PRIMARY KEY CLUSTERED (SampleNo)
)",
    },
];

const SCHEMAS: [&str; 4] = ["warehouse", "[Größe]", "audit", "lab"];

/// The batches that make the company's tables and switch CDC on for the database and each table.
/// Empty database in, nothing captured yet out.
#[must_use]
pub fn schema_batches() -> Vec<String> {
    let mut batches: Vec<String> = SCHEMAS.iter().map(|schema| format!("CREATE SCHEMA {schema}")).collect();
    batches.extend(TABLES.iter().map(|table| table.create.trim().to_owned()));
    batches.push("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON".into());
    batches.push("EXEC sys.sp_cdc_enable_db".into());
    batches.extend(TABLES.iter().map(|table| {
        format!(
            "EXEC sys.sp_cdc_enable_table\n    @source_schema = N'{}',\n    @source_name = N'{}',\n    @role_name = NULL,\n    @supports_net_changes = 0",
            table.schema, table.name
        )
    }));
    batches
}

/// The same as a script, with `GO` between batches.
#[must_use]
pub fn schema_sql() -> String {
    schema_batches().join("\nGO\n") + "\nGO\n"
}
