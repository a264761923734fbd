import { type Command, CommanderError } from 'commander'

/** What a command line asked for. */
export type Parsed<Options> =
  | { readonly kind: 'run'; readonly options: Options }
  /** Say `text` and end: help, or what is wrong with the arguments. */
  | { readonly kind: 'say'; readonly text: string; readonly exitCode: number }

/** Reads a command line. It ends no process, and throws nothing for what a person typed. */
export function parse<Given extends object, Options>(
  command: Command,
  args: readonly string[],
  optionsOf: (given: Given) => Options,
): Parsed<Options> {
  let text = ''
  const append = (part: string): void => {
    text += part
  }
  command.exitOverride().configureOutput({ writeOut: append, writeErr: append })
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return { kind: 'say', text, exitCode: error.exitCode === 0 ? 0 : 2 }
    throw error
  }
  return { kind: 'run', options: optionsOf(command.opts<Given>()) }
}

/** Runs `main` with what was asked for, or says what is to be said; the process ends with its exit code. */
export async function runProgram<Options>(
  parsed: Parsed<Options>,
  main: (options: Options) => Promise<number>,
): Promise<void> {
  if (parsed.kind === 'say') {
    const out = parsed.exitCode === 0 ? process.stdout : process.stderr
    out.write(parsed.text)
    process.exitCode = parsed.exitCode
  } else {
    process.exitCode = await main(parsed.options)
  }
}
