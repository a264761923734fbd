import type { QuotedSchema } from '../statement.js'

/** One step of the schema, forward only. A published step never changes. */
export interface Migration {
  readonly version: number
  /** Whether a program that does not know this step would do wrong on a schema that has it. */
  readonly breaking: boolean
  readonly sql: (schema: QuotedSchema) => string
}
