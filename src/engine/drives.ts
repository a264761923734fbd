import type { Core } from './core.js'
import { Drive, type DriveOrder } from './drive.js'
import type { RuntimeEffect } from './effect.js'

/** The effects that callers of this process wait for: all callers of one key share one drive. */
export class Drives<Tx> {
  readonly #core: Core<Tx>
  readonly #underWay = new Map<RuntimeEffect<Tx>, Map<string, Drive<Tx>>>()

  constructor(core: Core<Tx>) {
    this.#core = core
  }

  /** The one that is under way for the same, or a new one. */
  for(order: DriveOrder<Tx>): Drive<Tx> {
    const { effect, prepared, generation } = order
    const drives = this.#of(effect)
    // U+0000 is in no key.
    const name = generation === null ? prepared.key : `${generation}\u0000${prepared.key}`
    const standing = drives.get(name)
    if (standing?.prepared.isSameAs(prepared) === true) return standing
    if (standing !== undefined) return new Drive(this.#core, order, () => undefined)
    const drive = new Drive(this.#core, order, () => drives.delete(name))
    drives.set(name, drive)
    return drive
  }

  #of(effect: RuntimeEffect<Tx>): Map<string, Drive<Tx>> {
    const known = this.#underWay.get(effect)
    if (known !== undefined) return known
    const none = new Map<string, Drive<Tx>>()
    this.#underWay.set(effect, none)
    return none
  }
}
