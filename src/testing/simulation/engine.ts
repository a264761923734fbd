import { Counterfoil, defineEffect, type Effect } from '../../engine/index.js'
import type { MemoryTransaction } from '../../journal/memory/index.js'
import type { Database } from './database.js'
import { providerOf } from './provider.js'
import type { Scene } from './scene.js'
import type { Service } from './service.js'
import { Session } from './session.js'
import type { Order, Receipt } from './truth.js'
import type { Life } from './worker.js'

/** What runs in one life of a worker: the production engine, and its way to the database. */
export interface Engine {
  readonly counterfoil: Counterfoil<MemoryTransaction>
  readonly effect: Effect<Order, Receipt, MemoryTransaction>
  readonly session: Session
}

/** What is outside of a worker. */
export interface Outside {
  readonly scene: Scene
  readonly database: Database
  readonly service: Service
  /** The engine reports trouble outside of any effect. */
  readonly trouble: (life: Life, error: unknown) => void
}

/** What the application's own `settled` handler throws, where it does. */
export class HandlerFailed extends Error {}

/** Starts the production engine in a life, as an application would. */
export function startEngine(outside: Outside, life: Life): Engine {
  const { scene, database, trouble } = outside
  const session = new Session(scene, database, life)
  const effect = effectOf(outside, life, session)
  const counterfoil = new Counterfoil<MemoryTransaction>({
    journal: session,
    effects: [effect],
    clock: life.clock,
    randomness: life.randomness,
    pollInterval: life.worker.plan.pollMs,
    hooks: { onError: (error) => trouble(life, error) },
    retention: scene.terms.compactAfterMs === null ? {} : { compactAfter: scene.terms.compactAfterMs },
  })
  if (life.loops) startLoop(outside, life, counterfoil)
  return { counterfoil, effect, session }
}

// An application that cannot start its loop ends, and its supervisor starts it again.
function startLoop({ trouble }: Outside, life: Life, counterfoil: Counterfoil<MemoryTransaction>): void {
  counterfoil.start().catch((error: unknown) => {
    trouble(life, error)
    life.hears(100, () => life.worker.crash(10))
  })
}

function effectOf(
  { scene, database, service }: Outside,
  life: Life,
  session: Session,
): Effect<Order, Receipt, MemoryTransaction> {
  const { terms } = scene
  return defineEffect<Order, Receipt, MemoryTransaction>({
    name: 'charge-order',
    key: (order) => order.key,
    ...(terms.concurrency === null ? {} : { concurrency: terms.concurrency }),
    ...(terms.serialized ? { serializeBy: () => 'customer-1' } : {}),
    provider: providerOf(scene, service, life),
    timeout: terms.timeoutMs,
    leaseGrace: terms.graceMs,
    maxAttempts: terms.maxAttempts,
    patience: terms.patienceMs,
    maxFindFailures: terms.maxFindFailures,
    retryDelay: { first: terms.retryFirstMs, longest: terms.retryLongestMs },
    findDelay: { longest: 2 * terms.retryLongestMs },
    settledAttempts: terms.settledAttempts,
    settled: async (tx, order, outcome) => {
      await session.statement(tx)
      if (scene.fates.strikes('handler_throws', life.point())) throw new HandlerFailed('the handler fails')
      const generation = order.variant >= 10 ? Math.floor(order.variant / 10) : 1
      const externalId = outcome.kind === 'succeeded' ? outcome.externalId : null
      tx.onCommit(() => {
        scene.timeline?.tell('database', `commits the consequence of ${order.key}: ${outcome.kind} ${externalId ?? ''}`)
        database.consequences.push({ key: order.key, generation, kind: outcome.kind, externalId })
      })
    },
  })
}
