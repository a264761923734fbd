import type { CancelRequest, ExternalOperation, ListWindow } from '../protocol/index.js'

export interface Order {
  readonly id: string
  readonly cents: number
}

export interface Charge {
  readonly id: string
}

export type Operation = {
  -readonly [Name in keyof ExternalOperation]: ExternalOperation[Name]
}

/** The other side: what is at the service, whatever the journal says. It remembers every undoing that it made. */
export class PlantedService {
  readonly operations: Operation[] = []
  readonly undone: string[] = []
  /** Called before each page, from 0. */
  beforePage: (page: number) => void = () => undefined
  pageSize = 7
  /** By offset, as some services do: what appears at the top shows the last one of a page again. */
  byOffset = false

  async *list(window: ListWindow): AsyncGenerator<ExternalOperation> {
    let shown = 0
    let last: Operation | undefined
    for (let page = 0; ; page++) {
      this.beforePage(page)
      const all = this.#inWindow(window)
      const at = this.byOffset || last === undefined ? shown : all.indexOf(last) + 1
      const items = all.slice(at, at + this.pageSize)
      for (const item of items) {
        await undefined
        yield structuredClone(item)
      }
      shown += items.length
      last = items.at(-1) ?? last
      if (items.length < this.pageSize) return
    }
  }

  #inWindow({ fromMs, toMs }: ListWindow): Operation[] {
    return this.operations
      .filter((each) => each.createdAtMs >= fromMs && each.createdAtMs < toMs)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.externalId < b.externalId ? 1 : -1))
  }

  undo({ externalId, minorUnits }: CancelRequest<Charge>): { id: string } {
    const operation = this.operations.find((each) => each.externalId === externalId)
    if (operation === undefined || operation.amount === null) throw new Error(`There is no ${externalId}.`)
    const { amount } = operation
    const left = amount.minorUnits - amount.undoneMinorUnits
    const given = minorUnits ?? left
    if (given > left || given === 0) throw new Error(`Only ${left} of ${externalId} are left.`)
    operation.amount = { ...amount, undoneMinorUnits: amount.undoneMinorUnits + given }
    if (given === left) operation.state = 'undone'
    this.undone.push(externalId)
    return { id: `re_${externalId}` }
  }
}
