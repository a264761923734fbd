import { auditedEffect } from '../../engine/audited.js'
import { ageEntries, type Undoing } from '../../engine/index.js'
import {
  CompensationRefused,
  EffectCompacted,
  EffectCompensated,
  EffectInDoubt,
  EffectRejected,
  GenerationNotOpenError,
  isTransient,
  JournalError,
  KeyReuseError,
} from '../../protocol/index.js'
import { PLACES } from './agenda.js'
import type { Heard } from './checks/check.js'
import { inWords } from './connection.js'
import { type Engine, HandlerFailed } from './engine.js'
import type { MessagePlan } from './scenario.js'
import { BEGINS_AT_MS, type Scene } from './scene.js'
import { duplicateOf, type Order, type ReceivedMessage } from './truth.js'
import type { Life, Worker } from './worker.js'

/** A message under way: to which life, and what it asks for now. */
interface Delivery {
  readonly message: MessagePlan
  readonly generation: number | null
  readonly count: number
}

/** Where the messages go. */
export interface Office {
  readonly workers: readonly Worker[]
  /** The engine in a life; undefined once it has ended. */
  readonly engineOf: (life: Life) => Engine | undefined
  /** The application's own table of orders. */
  readonly orders: string[]
  /** What handlers of messages wrote. */
  readonly received: ReceivedMessage[]
  /** The journal's own clock. */
  readonly journalMs: () => number
}

const LONGEST_GENERATION = 2

const ANSWERS = {
  perform: 'receipt',
  enqueue: 'enqueued',
  receive: 'received',
  compensate: 'undone',
  repair: 'undone',
  age: 'aged',
} as const

/**
 * The application's own callers: messages that a broker delivers, late, more than once, to any worker, and again when
 * the worker that had them is lost.
 */
export class Messages {
  /** Deliveries that are planned or wait for an answer. */
  outstanding = 0
  readonly #scene: Scene
  readonly #office: Office
  readonly #waiting = new Map<Life, Set<Delivery>>()
  readonly #answers: unknown[] = []

  constructor(scene: Scene, messages: readonly MessagePlan[], office: Office) {
    this.#scene = scene
    this.#office = office
    for (const message of messages) {
      this.#plan({ message, generation: null, count: 0 }, BEGINS_AT_MS + message.atMs - scene.nowMs)
    }
  }

  /** The engine reported trouble outside of any effect. */
  readonly trouble = (life: Life, error: unknown): void => {
    if (isTransient(error) || error instanceof HandlerFailed) return
    this.#scene.checks.erred(life, error)
  }

  /** A worker is lost, and with it everything that its callers waited for. */
  lost(life: Life): void {
    const waiting = this.#waiting.get(life) ?? []
    this.#waiting.delete(life)
    for (const delivery of waiting) {
      this.outstanding--
      this.#again(delivery)
    }
  }

  /** How callers have been answered so far, in one text. */
  fingerprint(): string {
    // Whoever was answered first: the rules compare each answer with all others.
    return JSON.stringify([this.#answers.map((each) => inWords(each)).sort(), this.outstanding])
  }

  #plan(delivery: Delivery, inMs: number): void {
    this.outstanding++
    const named = (): string => nameOf(delivery)
    this.#scene.agenda.at(this.#scene.nowMs + inMs, false, () => this.#deliver(delivery), PLACES.broker, named)
  }

  #deliver(delivery: Delivery): void {
    const { nowMs, agenda } = this.#scene
    const { workers } = this.#office
    const { message, count } = delivery
    // A broker gives what a worker did not acknowledge to another one.
    const life = workers[(message.worker + count) % workers.length]?.life
    if (life === undefined || life === null) {
      const later = { ...delivery, count: count + 1 }
      agenda.at(
        nowMs + 50,
        false,
        () => this.#deliver(later),
        PLACES.broker,
        () => nameOf(later),
      )
      return
    }
    life.hears(0, () => this.#start(life, delivery), { named: () => nameOf(delivery) })
    const waiting = this.#waiting.get(life) ?? new Set()
    this.#waiting.set(life, waiting.add(delivery))
  }

  #start(life: Life, delivery: Delivery): void {
    const engine = this.#office.engineOf(life)
    if (engine === undefined) return
    const { message, generation } = delivery
    const order = orderOf(message, generation)
    this.#scene.timeline?.tell(life.name, `is asked to ${message.how} ${message.key}${describe(order, generation)}`)
    this.#ask(engine, delivery, order).then(
      (value) => this.#heard(delivery, life, ANSWERS[message.how], value),
      (error: unknown) => this.#heard(delivery, life, kindOf(error), error),
    )
  }

  #ask(engine: Engine, delivery: Delivery, order: Order): Promise<unknown> {
    switch (delivery.message.how) {
      case 'enqueue':
        return this.#enqueue(engine, order, delivery.message)
      case 'receive':
        return this.#receive(engine, order, delivery)
      case 'perform':
        return perform(engine, delivery, order)
      case 'compensate':
        return compensate(engine, delivery.message)
      case 'repair':
        return repair(engine, delivery.message)
      case 'age':
        return ageEntries(engine.counterfoil)
    }
  }

  // An order and its intent in one transaction: both are there afterwards, or neither.
  async #enqueue({ counterfoil, session, effect }: Engine, order: Order, { notBefore }: MessagePlan): Promise<void> {
    const { checks } = this.#scene
    await session.transaction(async (tx) => {
      await session.statement(tx)
      const askedAtMs = this.#office.journalMs()
      const when = whenOf(notBefore)
      const { created } = await counterfoil.enqueue(effect, order, when === null ? { tx } : { tx, notBefore: when })
      const time = { earliestMs: timeOf(notBefore, askedAtMs), latestMs: timeOf(notBefore, this.#office.journalMs()) }
      await session.statement(tx)
      tx.onCommit(() => {
        this.#office.orders.push(order.key)
        if (created) checks.enqueued(order.key, time)
      })
    })
  }

  /** What its handler writes is there once, however often the message comes. */
  #receive({ counterfoil, session, effect }: Engine, order: Order, { message, count }: Delivery): Promise<unknown> {
    const { orders, received } = this.#office
    const id = message.messageId ?? ''
    return counterfoil.receive({ source: 'broker', id }, async (tx) => {
      await counterfoil.enqueue(effect, order, { tx })
      await session.statement(tx)
      const result = `${id}, copy ${message.id}, delivery ${count}`
      tx.onCommit(() => {
        orders.push(order.key)
        received.push({ id, result })
      })
      return result
    })
  }

  #heard(delivery: Delivery, life: Life, kind: Heard['kind'], value: unknown): void {
    if (!life.alive) return
    const { message, generation } = delivery
    this.#waiting.get(life)?.delete(delivery)
    this.outstanding--
    this.#scene.timeline?.tell(life.name, `answers ${message.key}: ${kind}${wordsOf(kind, value)}`)
    this.#answers.push([message.id, kind, value])
    const input = orderOf(message, generation).variant
    this.#scene.checks.heard({ message, generation, input, kind, value })
    if (kind === 'in_doubt' || kind === 'journal') this.#again(delivery)
    // A caller that is told that it is parked may ask anew just as well: only a known absence lets it begin.
    const ended = kind === 'rejected' || (value instanceof EffectInDoubt && value.state === 'parked')
    if (ended && message.persists && (generation ?? 1) < LONGEST_GENERATION) {
      this.#plan({ message, generation: (generation ?? 1) + 1, count: delivery.count }, 20)
    }
  }

  #again(delivery: Delivery): void {
    if (delivery.count >= delivery.message.redeliveries) return
    const point = { who: 10_000 + delivery.message.id, count: delivery.count }
    const inMs = this.#scene.fates.spread('redelivery', point, 5, 3_000)
    this.#plan({ ...delivery, count: delivery.count + 1 }, inMs)
  }
}

/** As the application says it. */
function whenOf(notBefore: MessagePlan['notBefore']): Date | number | null {
  if (notBefore === null) return null
  return 'inMs' in notBefore ? notBefore.inMs : new Date(BEGINS_AT_MS + notBefore.atMs)
}

/** When that is, by the journal's clock, if it is asked for at `nowMs`. */
function timeOf(notBefore: MessagePlan['notBefore'], nowMs: number): number {
  if (notBefore === null) return nowMs
  return 'inMs' in notBefore ? nowMs + notBefore.inMs : BEGINS_AT_MS + notBefore.atMs
}

function nameOf({ message, generation, count }: Delivery): string {
  return `message ${message.id}, generation ${generation}, delivery ${count}`
}

function perform({ counterfoil, effect }: Engine, { message, generation }: Delivery, order: Order): Promise<unknown> {
  const options = { wait: message.waitMs }
  return counterfoil.perform(effect, order, generation === null ? options : { ...options, generation })
}

function compensate({ counterfoil, effect }: Engine, { key, waitMs, refundKey }: MessagePlan): Promise<unknown> {
  const options = { reason: 'returned', wait: waitMs }
  return counterfoil.compensate(effect, key, refundKey === null ? options : { ...options, refundKey })
}

/** As an audit repairs a duplicate that it has found, which no entry stands for. */
function repair({ counterfoil, effect }: Engine, { key, waitMs }: MessagePlan): Promise<unknown> {
  const audited = auditedEffect(counterfoil, effect.name)
  if (audited === null) return Promise.reject(new Error(`The engine does not know ${effect.name}.`))
  const undoing: Undoing = {
    ...{ externalId: duplicateOf(key), entryId: null, receipt: null, total: null, part: null, refundKey: null },
    ...{ reason: 'duplicate', actor: 'audit', findingId: null },
  }
  return audited.undo(key, undoing, waitMs, new AbortController().signal)
}

/** The input of a later generation is another one, and says which generation it is meant for. */
function orderOf(message: MessagePlan, generation: number | null): Order {
  const variant = generation === null ? message.variant : generation * 10 + message.variant
  return { key: message.key, variant }
}

function kindOf(error: unknown): Heard['kind'] {
  if (error instanceof CompensationRefused) return 'refused'
  if (error instanceof EffectCompensated) return 'compensated'
  if (error instanceof EffectCompacted) return 'compacted'
  if (error instanceof EffectRejected) return 'rejected'
  if (error instanceof EffectInDoubt) return 'in_doubt'
  if (error instanceof KeyReuseError) return 'reuse'
  if (error instanceof JournalError) return 'journal'
  if (error instanceof GenerationNotOpenError) return 'not_open'
  return 'other'
}

function describe({ variant }: Order, generation: number | null): string {
  const input = variant % 10 === 0 ? '' : ', with another input'
  return generation === null ? input : `, generation ${generation}${input}`
}

function wordsOf(kind: Heard['kind'], value: unknown): string {
  if (kind === 'receipt') return ` ${(value as { readonly id: string }).id}`
  return value instanceof Error ? ` (${value.message})` : ''
}
