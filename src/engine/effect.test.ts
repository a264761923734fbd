import { describe, expect, it } from 'vitest'
import type { Provider } from '../protocol/index.js'
import { externalIdOf } from './effect.js'

const provider: Provider<unknown, unknown> = { execute: async () => null, find: async () => null, settlesWithin: 0 }

describe('the id at the service', () => {
  it('is what the provider says, or the receipt’s own', () => {
    expect(externalIdOf({ ...provider, externalId: () => 'ch_1' }, { id: 'other' })).toBe('ch_1')
    expect(externalIdOf(provider, { id: 'ch_2' })).toBe('ch_2')
  })

  it('is none where what is said is no id, whatever the types of an SDK promise', () => {
    for (const id of [undefined, null, '', 7, {}]) {
      expect(externalIdOf({ ...provider, externalId: () => id as string }, { id: 'ch_1' })).toBe(null)
      expect(externalIdOf(provider, { id })).toBe(null)
    }
    expect(externalIdOf(provider, 'ch_1')).toBe(null)
  })
})
