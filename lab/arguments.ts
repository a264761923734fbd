import { Command, InvalidArgumentError } from 'commander'
import { type Parsed, parse } from '../programs/command-line.js'
import type { Fault } from './fault.js'
import { FAULTS } from './faults/index.js'
import { STRATEGIES } from './strategies/index.js'
import type { Strategy } from './strategy.js'

/** What the command line asked for. */
export interface LabOptions {
  readonly strategies: readonly Strategy[]
  readonly faults: readonly Fault[]
  readonly orders: number
  readonly seed: number
  readonly json: string | null
  readonly svg: string | null
}

/** Divisible by four, since a fault strikes a quarter. */
const DEFAULT_ORDERS = 60
const QUICK_ORDERS = 12
const MOST_ORDERS = 5_000

/** Reads the command line. It never throws and never ends the process. */
export function parseArguments(args: readonly string[]): Parsed<LabOptions> {
  return parse(describe(), args, (given: Given) => ({
    strategies: given.strategy ?? STRATEGIES,
    faults: given.fault ?? FAULTS,
    orders: given.orders ?? (given.quick === true ? QUICK_ORDERS : DEFAULT_ORDERS),
    seed: given.seed,
    json: given.json ?? null,
    svg: given.svg ?? null,
  }))
}

interface Given {
  readonly strategy?: readonly Strategy[]
  readonly fault?: readonly Fault[]
  readonly orders?: number
  readonly seed: number
  readonly quick?: true
  readonly json?: string
  readonly svg?: string
}

function describe(): Command {
  return new Command('npm run demo --')
    .description(
      'The lab: ways to charge an order once, each under every fault, with real processes, a real database and a ' +
        'payment gateway that keeps its own books.',
    )
    .option('--strategy <names>', `only these, by commas: ${namesOf(STRATEGIES)}`, (text) =>
      pick('strategy', STRATEGIES, text),
    )
    .option('--fault <names>', `only these, by commas: ${namesOf(FAULTS)}`, (text) => pick('fault', FAULTS, text))
    .option('--orders <count>', `orders per cell (default: ${DEFAULT_ORDERS}, with --quick ${QUICK_ORDERS})`, (text) =>
      wholeNumber(text, 4, MOST_ORDERS),
    )
    .option('--seed <number>', 'decides which orders a fault strikes', (text) => wholeNumber(text, 0, 2 ** 32 - 1), 1)
    .option('--quick', 'fewer orders')
    .option('--json <file>', 'write the results as JSON')
    .option('--svg <file>', 'write a picture: a heat map of strategies and faults')
    .allowExcessArguments(false)
}

/** `counterfoil` means its variants too, such as `counterfoil/outbox`. */
function pick<T extends { readonly name: string }>(what: string, all: readonly T[], text: string): readonly T[] {
  const wanted = text.split(',').map((name) => name.trim())
  const isMeant = (name: string, each: T): boolean => each.name === name || each.name.startsWith(`${name}/`)
  const unknown = wanted.filter((name) => !all.some((each) => isMeant(name, each)))
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `There is no ${what} ${unknown.map((name) => JSON.stringify(name)).join(', ')}. There are: ${namesOf(all)}.`,
    )
  }
  return all.filter((each) => wanted.some((name) => isMeant(name, each)))
}

function namesOf(all: readonly { readonly name: string }[]): string {
  return [...new Set(all.map((each) => each.name))].join(', ')
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
}
