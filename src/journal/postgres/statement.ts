/** One SQL statement of the journal, for one schema. */
export interface Statement {
  /** Unique among the journal's statements; becomes the name of the prepared statement where those are on. */
  readonly name: string
  readonly text: string
}

/** A schema's name as it stands in SQL, quoted. */
export type QuotedSchema = string

/** The SQL of a statement, for a schema. */
export type StatementFor = (schema: QuotedSchema) => Statement

/** Quotes an identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
