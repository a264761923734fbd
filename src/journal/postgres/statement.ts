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

/**
 * A condition that is always true, and of which the planner believes that one row in two hundred meets it.
 *
 * It expects as many rows of an unnest as the array has, and on a table of some thousands of rows would rather read the
 * whole table than go to the index for each (random_page_cost is 4, whatever the memory): measured, 3 ms instead of 0.3
 * for a batch, and the more the more rows there are. With few rows expected, it goes by the primary key.
 */
export function expectFew(integer: string): string {
  return `${integer} % 1 = 0`
}
