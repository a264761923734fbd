import { Command, CommanderError, InvalidArgumentError } from 'commander'
import type { Fault } from './fault.js'
import { FAULTS } from './faults/index.js'

/** What the command line asked for. */
export interface ChaosOptions {
  readonly minutes: number
  readonly effects: number
  readonly customers: number
  readonly seed: number
  readonly workers: number
  readonly lease: 'postgres' | 'redis'
  readonly faults: readonly Fault[]
  readonly requestFaults: boolean
  readonly pace: number
  readonly json: string | null
}

export type ParsedArguments =
  | { readonly kind: 'run'; readonly options: ChaosOptions }
  /** Say `text` and end: help, or what is wrong with the arguments. */
  | { readonly kind: 'say'; readonly text: string; readonly exitCode: number }

/** Reads the command line. It never throws and never ends the process. */
export function parseArguments(args: readonly string[]): ParsedArguments {
  let text = ''
  const append = (part: string): void => {
    text += part
  }
  const command = describe().exitOverride().configureOutput({ writeOut: append, writeErr: append })
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return { kind: 'say', text, exitCode: error.exitCode === 0 ? 0 : 2 }
    throw error
  }
  const { fault, json, ...given } = command.opts<Given>()
  return { kind: 'run', options: { ...given, faults: fault ?? FAULTS, json: json ?? null } }
}

type Given = Omit<ChaosOptions, 'faults' | 'json'> & { readonly fault?: readonly Fault[]; readonly json?: string }

const NAMES = FAULTS.map((fault) => fault.name)

function describe(): Command {
  return new Command('npm run chaos --')
    .description(
      'Real workers, a real PostgreSQL and a real Redis under faults, against a gateway that keeps its own books. Ends ' +
        'with 1 if any promise was broken. One seed asks for the same orders and the same faults at the same times; how ' +
        'real processes interleave under them is not repeated.',
    )
    .option('--minutes <number>', 'for how long orders are taken', (text) => number(text, 0.05, 10_000), 2)
    .option('--effects <count>', 'orders at most (tips come on top)', (text) => number(text, 1, 10_000_000), 1_000_000)
    .option(
      '--customers <count>',
      'orders of one customer are charged one at a time',
      (text) => number(text, 1, 1e6),
      300,
    )
    .option('--seed <number>', 'decides about orders and faults', (text) => number(text, 0, 2 ** 32 - 1), 1)
    .option('--workers <count>', 'worker processes', (text) => number(text, 1, 32), 3)
    .option('--lease <service>', 'where leases of customers are kept: redis or postgres', leaseOf, 'redis')
    .option('--fault <names>', `only these, by commas: ${NAMES.join(', ')}`, faultsOf)
    .option('--pace <number>', 'how many times more often faults strike', (text) => number(text, 0.01, 100), 1)
    .option('--no-request-faults', 'let every request that reaches the gateway go well')
    .option('--json <file>', 'write the result as JSON')
    .addHelpText('after', `\nFaults:\n${FAULTS.map(({ name, what }) => `  ${name}: ${what}`).join('\n')}\n`)
    .allowExcessArguments(false)
}

function leaseOf(text: string): 'postgres' | 'redis' {
  if (text === 'postgres' || text === 'redis') return text
  throw new InvalidArgumentError('It is redis or postgres.')
}

function faultsOf(text: string): readonly Fault[] {
  const wanted = text.split(',').map((name) => name.trim())
  const unknown = wanted.filter((name) => !NAMES.includes(name))
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`There is no fault ${unknown.join(', ')}. There are: ${NAMES.join(', ')}.`)
  }
  return FAULTS.filter((fault) => wanted.includes(fault.name))
}

function number(text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`)
}
