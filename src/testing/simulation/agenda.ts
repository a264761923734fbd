/** Something that will happen in the world, unless it is called off before. */
export interface Happening {
  readonly dueMs: number
  /** Ties are broken by who was planned first. */
  readonly order: number
  /** Whether the world can be at rest while it is still to come: a timer can wait for ever, a request on its way cannot. */
  readonly restless: boolean
  happen: () => void
  cancelled: boolean
}

/** Where something happens: at one of these, or in a life of a worker ({@link placeOf}). */
export const PLACES = { database: 0, service: 1, broker: 2 } as const

/** The place of a life, by its number (worker × 256 + life). */
export function placeOf(who: number): number {
  return 3 + who
}

export type Named = () => string

/** What is still to come. */
export interface Agenda {
  readonly nowMs: number
  /** How many happenings are on their way that the world cannot be at rest without. */
  readonly restless: number
  /** True: the history need not be played any further. */
  readonly over: boolean
  /** `named`: what happens, in a text from which it follows wholly, for those who tell states of the world apart. */
  at(dueMs: number, restless: boolean, happen: () => void, place: number, named?: Named): Happening
  /** A name for what is asked now, so that its answer can be named by it. */
  asked(): number
  cancel(happening: Happening): void
  /** Takes the next happening off and moves the time there; undefined when nothing is to come. */
  next(): Happening | undefined
}

const NOTHING = (): void => undefined

/** The earliest first: a binary heap, since a history is mostly a queue of timers. */
export class TimedAgenda implements Agenda {
  readonly over = false
  readonly #heap: Happening[] = []
  #planned = 0
  #restless = 0
  nowMs: number

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  get restless(): number {
    return this.#restless
  }

  at(dueMs: number, restless: boolean, happen: () => void): Happening {
    const happening = { dueMs: Math.max(dueMs, this.nowMs), order: this.#planned++, restless, happen, cancelled: false }
    if (restless) this.#restless++
    this.#push(happening)
    return happening
  }

  asked(): number {
    return 0
  }

  cancel(happening: Happening): void {
    if (happening.cancelled) return
    happening.cancelled = true
    happening.happen = NOTHING
    if (happening.restless) this.#restless--
  }

  next(): Happening | undefined {
    for (;;) {
      const happening = this.#pop()
      if (happening === undefined) return undefined
      if (happening.cancelled) continue
      this.nowMs = happening.dueMs
      happening.cancelled = true
      if (happening.restless) this.#restless--
      return happening
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let i = heap.push(happening) - 1
    while (i > 0) {
      const above = (i - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || before(parent, happening)) break
      heap[i] = parent
      i = above
    }
    heap[i] = happening
  }

  #pop(): Happening | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    let i = 0
    for (;;) {
      let below = 2 * i + 1
      let child = heap[below]
      const sibling = heap[below + 1]
      if (child !== undefined && sibling !== undefined && before(sibling, child)) {
        child = sibling
        below++
      }
      if (child === undefined || before(last, child)) break
      heap[i] = child
      i = below
    }
    heap[i] = last
    return first
  }
}

function before(one: Happening, other: Happening): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order)
}
