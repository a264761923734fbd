import type { Message } from './application.js'
import { MAX_DELIVERIES, PREFETCH, REDELIVERY_FIRST_MS, REDELIVERY_LONGEST_MS } from './timing.js'

/** Somebody who handles messages: resolves when a message was acknowledged, rejects when it was refused. */
export interface Consumer {
  handle(message: Message): Promise<void>
}

interface Queued {
  readonly message: Message
  deliveries: number
}

interface Subscription {
  readonly consumer: Consumer
  readonly unacknowledged: Set<Queued>
  lost: boolean
}

/**
 * A message broker, as simple as one can be: it delivers at least once. What is refused comes again after a while,
 * what a lost consumer had in hand comes again at once, and after `MAX_DELIVERIES` a message is put aside as dead.
 */
export class Broker {
  readonly #onDelivery: (message: Message) => void
  readonly #ready: Queued[] = []
  readonly #subscriptions = new Map<Consumer, Subscription>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #dead: Message[] = []
  #unsettled = 0
  #idleWaiters: (() => void)[] = []

  /** `onDelivery` hears of every message that goes to a consumer. */
  constructor(onDelivery: (message: Message) => void = () => undefined) {
    this.#onDelivery = onDelivery
  }

  /** Messages that were given up. */
  get dead(): readonly Message[] {
    return this.#dead
  }

  /** Delivers to this consumer from now on. */
  subscribe(consumer: Consumer): void {
    this.#subscriptions.set(consumer, { consumer, unacknowledged: new Set(), lost: false })
    this.#dispatch()
  }

  /** The consumer is gone, or is believed to be: what it had in hand goes to others, whatever it says later. */
  lose(consumer: Consumer): void {
    const subscription = this.#subscriptions.get(consumer)
    if (subscription === undefined) return
    this.#subscriptions.delete(consumer)
    subscription.lost = true
    for (const queued of subscription.unacknowledged) this.#redeliver(queued, 0)
  }

  publish(message: Message): void {
    this.#unsettled += 1
    this.#ready.push({ message, deliveries: 0 })
    this.#dispatch()
  }

  /** Delivers one message to each of these consumers, all at once: a duplicate delivery, however it came about. */
  deliverTo(consumers: readonly Consumer[], message: Message): void {
    for (const consumer of consumers) {
      const subscription = this.#subscriptions.get(consumer)
      if (subscription === undefined) throw new Error('The consumer does not subscribe.')
      this.#unsettled += 1
      void this.#deliver(subscription, { message, deliveries: 0 })
    }
  }

  /** Resolves once every message is acknowledged or dead. */
  idle(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Delivers nothing more. */
  close(): void {
    for (const subscription of this.#subscriptions.values()) subscription.lost = true
    this.#subscriptions.clear()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #dispatch(): void {
    for (;;) {
      const subscription = this.#leastBusy()
      if (subscription === undefined) return
      const queued = this.#ready.shift()
      if (queued === undefined) return
      void this.#deliver(subscription, queued)
    }
  }

  #leastBusy(): Subscription | undefined {
    let found: Subscription | undefined
    for (const each of this.#subscriptions.values()) {
      if (each.unacknowledged.size >= PREFETCH) continue
      if (found === undefined || each.unacknowledged.size < found.unacknowledged.size) found = each
    }
    return found
  }

  async #deliver(subscription: Subscription, queued: Queued): Promise<void> {
    queued.deliveries += 1
    this.#onDelivery(queued.message)
    subscription.unacknowledged.add(queued)
    const acknowledged = await subscription.consumer.handle(queued.message).then(
      () => true,
      () => false,
    )
    if (subscription.lost) return
    subscription.unacknowledged.delete(queued)
    if (acknowledged) this.#settled()
    else this.#redeliver(queued, delayOf(queued.deliveries))
    this.#dispatch()
  }

  #redeliver(queued: Queued, delayMs: number): void {
    if (queued.deliveries >= MAX_DELIVERIES) {
      this.#dead.push(queued.message)
      this.#settled()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      // In front of what was never delivered: it is older.
      this.#ready.unshift(queued)
      this.#dispatch()
    }, delayMs)
    this.#timers.add(timer)
  }

  #settled(): void {
    this.#unsettled -= 1
    if (this.#unsettled > 0) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }
}

function delayOf(deliveries: number): number {
  return Math.min(REDELIVERY_FIRST_MS * 2 ** (deliveries - 1), REDELIVERY_LONGEST_MS)
}
