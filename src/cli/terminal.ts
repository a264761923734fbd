/** What a command works with, apart from its arguments. */
export interface Terminal {
  readonly cwd: string
  readonly out: (text: string) => void
  readonly error: (text: string) => void
}

/** How a command ends. */
export const EXIT = {
  /** All is well. */
  ok: 0,
  /** The command ran, and found something that is not. */
  found: 1,
  /** It could not run: its arguments, a module, or something that it needs. */
  couldNotRun: 2,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What the user has to change for the command to run; the message is for them alone, without a stack. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}
