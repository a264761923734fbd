import { Command, InvalidArgumentError } from 'commander'
import { type Parsed, parse } from '../programs/command-line.js'
import type { Fault } from './fault.js'
import { REQUEST_FAULTS } from './faults/gateway.js'
import { FAULTS } from './faults/index.js'
import type { ChaosPlan } from './run.js'
import { ACCEPTANCE, atTheirPace, type Scheduled } from './schedule.js'

/** What the command line asked for. */
export interface ChaosOptions {
  readonly plan: Omit<ChaosPlan, 'signal'>
  readonly json: string | null
}

const BACKLOG = 1_500

/** Reads the command line. It never throws and never ends the process. */
export function parseArguments(args: readonly string[]): Parsed<ChaosOptions> {
  return parse(describe(), args, optionsOf)
}

/** What commander makes of the flags. */
interface Given {
  readonly minutes?: number
  readonly effects?: number
  readonly customers: number
  readonly seed: number
  readonly workers: number
  readonly lease: 'postgres' | 'redis'
  readonly fault?: readonly Fault[]
  readonly pace: number
  readonly requestFaults: boolean
  readonly acceptance?: boolean
  readonly json?: string
}

function optionsOf({ customers, seed, workers, lease, json, ...given }: Given): ChaosOptions {
  const isAcceptance = given.acceptance === true
  const plan = {
    minutes: given.minutes ?? (isAcceptance ? 30 : 2),
    orders: given.effects ?? (isAcceptance ? 20_000 : 1_000_000),
    customers,
    seed,
    workers,
    lease,
    schedule: scheduleOf(given),
    requestFaults: given.requestFaults ? REQUEST_FAULTS : [],
    backlog: BACKLOG,
  }
  return { plan, json: json ?? null }
}

function scheduleOf({
  acceptance,
  fault: wanted,
  pace,
}: Pick<Given, 'acceptance' | 'fault' | 'pace'>): readonly Scheduled[] {
  if (acceptance !== true) return atTheirPace(wanted ?? FAULTS, pace)
  return ACCEPTANCE.filter(({ fault }) => wanted?.includes(fault) ?? true)
}

const NAMES = FAULTS.map((fault) => fault.name)

function describe(): Command {
  return new Command('npm run chaos --')
    .description(
      'Real workers, a real PostgreSQL and a real Redis under faults, against a gateway that keeps its own books. Ends ' +
        'with 1 if any promise was broken. One seed asks for the same orders and the same faults at the same times; how ' +
        'real processes interleave under them is not repeated.',
    )
    .option('--minutes <number>', 'for how long orders are taken (default: 2)', (text) => number(text, 0.05, 10_000))
    .option('--effects <count>', 'orders at most; tips come on top (default: 1000000)', (text) =>
      number(text, 1, 10_000_000),
    )
    .option(
      '--acceptance',
      'the run that a release has to pass: 20,000 orders, however long they take (30 minutes at most), a worker killed ' +
        'every second, PostgreSQL restarted twice, Redis restarted and flushed, workers cut off from both',
    )
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
