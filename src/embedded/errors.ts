/** Stable reasons: safe to log and to branch on. */
export type EmbeddedPostgresErrorCode =
  | 'package_missing'
  | 'platform_unsupported'
  | 'user_unnamed'
  | 'no_rights'
  | 'setting_refused'
  | 'data_dir_in_use'
  | 'data_dir_foreign'
  | 'data_dir_version'
  | 'port_in_use'
  | 'init_failed'
  | 'start_failed'
  | 'stopped'

/**
 * The embedded PostgreSQL could not be started or used. `message` says what happened, what is now true and what to do
 * next; `serverLog` is the end of what PostgreSQL itself said, when it said something.
 */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode
  readonly serverLog: string | undefined

  constructor(
    code: EmbeddedPostgresErrorCode,
    message: string,
    details: { readonly serverLog?: string; readonly cause?: unknown } = {},
  ) {
    const log = details.serverLog?.trim()
    super(log ? `${message}\nPostgreSQL said:\n${log}` : message, 'cause' in details ? { cause: details.cause } : {})
    this.name = 'EmbeddedPostgresError'
    this.code = code
    this.serverLog = log || undefined
  }
}

/** The code of a Node system error (`ENOENT`, `EACCES`, …), or undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
