import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DomainEvent, RecordedEvent } from '../../domain/event.ts';

/**
 * A read model: tables in a schema of their own, and what each event does to them. The rows follow from the events
 * alone (no clock, no randomness, no look outside), so that a rebuild yields the same rows.
 */
export interface Projection<Event extends DomainEvent = DomainEvent> {
  readonly name: string;
  /** A changed shape or a changed `apply` is a new version: it is built beside the old one. */
  readonly version: number;
  readonly handles: readonly Event['type'][];
  /** Whether its rows have names of users in them: it is built anew when one of them is erased. */
  readonly showsUserNames?: true;
  /** Creates the tables; each has a primary key. */
  create(db: ViewDatabase): Promise<void>;
  /**
   * Applies events in the order of their positions, in the transaction that also commits the checkpoint. In a
   * rebuild they come by the thousand: a statement per batch, never one per event.
   */
  apply(tables: ViewTables, events: readonly RecordedEvent<Event>[]): Promise<void>;
}

/** A projection whatever its events; `handles` sees to it that `apply` gets only those. */
// biome-ignore lint/suspicious/noExplicitAny: a list of projections has no common event type.
export type AnyProjection = Projection<any>;

// biome-ignore lint/suspicious/noExplicitAny: the tables' types belong to each projection's own queries.
export type ViewDatabase = Kysely<any>;

/** The schema that holds a projection's tables. */
export const schemaOf = ({ name, version }: Pick<AnyProjection, 'name' | 'version'>): string =>
  `${name}_v${version}`;

/** A projection's tables for its queries: `Database` says what they hold. */
export const viewOf = <Database>(kysely: ViewDatabase, projection: Pick<AnyProjection, 'name' | 'version'>) =>
  kysely.withSchema(schemaOf(projection)) as Kysely<Database>;

/** A row as it is from now on, or, where it is removed, its key at least. */
export interface Change {
  readonly row: object;
  readonly removed?: boolean;
}

/** What a statement of a projection's own is written with. */
export interface OwnTables {
  /** The name of one of its tables, as SQL. */
  table(name: string): RawBuilder<unknown>;
  /** `rows` as a table by the name of `given`, with these columns and their types; one parameter, however many. */
  rows(rows: readonly object[], columns: Readonly<Record<string, ColumnTypeName>>): RawBuilder<unknown>;
}
export type ColumnTypeName =
  | 'text'
  | 'bigint'
  | 'integer'
  | 'boolean'
  | 'timestamptz'
  | 'uuid'
  | 'inet'
  | 'jsonb';

/** A projection's tables while events are applied: one statement a call, whatever the number of rows. */
export class ViewTables {
  readonly #db: ViewDatabase;
  readonly #schema: string;

  constructor(db: ViewDatabase, schema: string) {
    this.#db = db;
    this.#schema = schema;
  }

  /**
   * Inserts `rows` into `table`; a row whose `key` is there already replaces the old one, and of two rows with one
   * key the later counts.
   */
  async write(table: string, key: readonly string[], rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    const columns = Object.keys(rows[0] ?? {});
    const others = columns.filter((column) => !key.includes(column));
    const onConflict =
      others.length === 0
        ? sql`NOTHING`
        : sql`UPDATE SET ${sql.join(others.map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`))}`;
    const names = sql.join(columns.map((column) => sql.ref(column)));
    await sql`
      INSERT INTO ${this.#name(table)} (${names})
      SELECT ${names} FROM json_populate_recordset(NULL::${this.#name(table)}, ${jsonFor(lastOfEach(key, rows))}::json)
      ON CONFLICT (${sql.join(key.map((column) => sql.ref(column)))}) DO ${onConflict}`.execute(this.#db);
  }

  /**
   * Sets the other columns of `rows` in those rows of `table` that have their `key`; where there is none, nothing
   * happens. Of two rows with one key the later counts. All rows have the same columns.
   */
  async update(table: string, key: readonly string[], rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    const others = Object.keys(rows[0] ?? {}).filter((column) => !key.includes(column));
    const same = key.map((column) => sql`stored.${sql.ref(column)} = changed.${sql.ref(column)}`);
    await sql`
      UPDATE ${this.#name(table)} stored
      SET ${sql.join(others.map((column) => sql`${sql.ref(column)} = changed.${sql.ref(column)}`))}
      FROM json_populate_recordset(NULL::${this.#name(table)}, ${jsonFor(lastOfEach(key, rows))}::json) changed
      WHERE ${sql.join(same, sql` AND `)}`.execute(this.#db);
  }

  /** Deletes the rows of `table` whose `key` columns equal those of one of `rows`. */
  async remove(table: string, key: readonly string[], rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    const same = key.map((column) => sql`stored.${sql.ref(column)} = gone.${sql.ref(column)}`);
    await sql`
      DELETE FROM ${this.#name(table)} stored
      USING json_populate_recordset(NULL::${this.#name(table)}, ${jsonFor(rows)}::json) gone
      WHERE ${sql.join(same, sql` AND `)}`.execute(this.#db);
  }

  /** As `write` and `remove` one after the other, in the order of `changes`: of those with one key the last counts. */
  async applyChanges(table: string, key: readonly string[], changes: readonly Change[]): Promise<void> {
    const last = lastOfEach(
      key,
      changes.map(({ row }) => row),
    );
    const gone = new Set(changes.filter(({ removed }) => removed).map(({ row }) => row));
    await this.remove(
      table,
      key,
      last.filter((row) => gone.has(row)),
    );
    await this.write(
      table,
      key,
      last.filter((row) => !gone.has(row)),
    );
  }

  /** One statement of the projection's own, for what the others do not do. */
  async run(statement: (own: OwnTables) => RawBuilder<unknown>): Promise<void> {
    await statement(this.#own).execute(this.#db);
  }

  /** What its own tables hold, where the rows to write follow from it otherwise than by a statement. */
  async read<Row>(question: (own: OwnTables) => RawBuilder<Row>): Promise<readonly Row[]> {
    return (await question(this.#own).execute(this.#db)).rows;
  }

  readonly #own: OwnTables = {
    table: (name) => this.#name(name),
    rows: (rows, columns) => {
      const named = Object.entries(columns).map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`);
      return sql`json_to_recordset(${jsonFor(rows)}::json) AS given(${sql.join(named)})`;
    },
  };

  #name(table: string) {
    return sql.table(`${this.#schema}.${table}`);
  }
}

/** PostgreSQL refuses one statement that would write a row twice. */
function lastOfEach(key: readonly string[], rows: readonly object[]): readonly object[] {
  const byKey = new Map<unknown, object>();
  const [first = '', ...others] = key;
  for (const row of rows) {
    const values = row as Record<string, unknown>;
    const value = values[first];
    byKey.set(others.length === 0 ? value : [value, ...others.map((name) => values[name])].join('\0'), row);
  }
  return byKey.size === rows.length ? rows : [...byKey.values()];
}

/** In JSON text: NUL and halves of surrogate pairs as `JSON.stringify` writes them, or any other escape. */
const escapes = /\\(u(?:0000|d[89a-f][0-9a-f]{2})|.)/g;
const unstorable = /\\u(?:0000|d[89a-f])/;

/**
 * `rows` as JSON that PostgreSQL can store as text. A client may put into a manifest what the log keeps and a text
 * column cannot hold; that must not stop the view for everybody, so U+FFFD stands for it.
 */
function jsonFor(rows: readonly object[]): string {
  const json = JSON.stringify(rows);
  if (!unstorable.test(json)) return json;
  return json.replace(escapes, (written, what: string) => (what.length > 1 ? '\uFFFD' : written));
}

/** `invalid_catalog_name`, `invalid_schema_name`, `undefined_table`: the views' database or a view was dropped. */
const missing = new Set(['3D000', '3F000', '42P01']);

/** Whether a query failed because its view is not there now; it is being built, or a replay will build it. */
export const isBeingBuilt = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && missing.has(String(error.code));
