import type { Core } from './core.js'
import { Drive, type DriveOrder } from './drive.js'
import type { RuntimeEffect } from './effect.js'

/** Where a drive stands while it takes callers. */
interface Place<Tx> {
  drive: Drive<Tx> | null
}

/**
 * The effects that callers of this process wait for: all callers of one key share one drive.
 *
 * A drive stands in a place of its own, which is cleared: a `Map` that entries come and go from leaves its former tables
 * behind, each with what it held and with a way to the next one. Once the first of them has grown old, V8 keeps all that
 * they lead to until it looks through the old ones: with the drives themselves in them, that would be what hangs on every
 * effect that was under way when a table was left.
 */
export class Drives<Tx> {
  readonly #core: Core<Tx>
  readonly #underWay = new Map<RuntimeEffect<Tx>, Map<string, Place<Tx>>>()

  constructor(core: Core<Tx>) {
    this.#core = core
  }

  /** The one that is under way for the same, or a new one. */
  for(order: DriveOrder<Tx>): Drive<Tx> {
    const { effect, prepared, generation } = order
    const drives = this.#of(effect)
    // U+0000 is in no key.
    const name = generation === null ? prepared.key : `${generation}\u0000${prepared.key}`
    const standing = drives.get(name)?.drive ?? null
    if (standing?.prepared.isSameAs(prepared) === true) return standing
    if (standing !== null) return new Drive(this.#core, order, () => undefined)
    const place: Place<Tx> = { drive: null }
    drives.set(name, place)
    place.drive = new Drive(this.#core, order, () => {
      place.drive = null
      drives.delete(name)
    })
    return place.drive
  }

  #of(effect: RuntimeEffect<Tx>): Map<string, Place<Tx>> {
    const known = this.#underWay.get(effect)
    if (known !== undefined) return known
    const none = new Map<string, Place<Tx>>()
    this.#underWay.set(effect, none)
    return none
  }
}
