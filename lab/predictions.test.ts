import { describe, expect, it } from 'vitest'
import { FAULTS } from './faults/index.js'
import { explain, predict } from './predictions.js'
import { STRATEGIES } from './strategies/index.js'
import { isCounterfoil } from './strategy.js'

const CLASSICAL = STRATEGIES.filter(({ name }) => !isCounterfoil(name))
const COUNTERFOIL = STRATEGIES.filter(({ name }) => isCounterfoil(name))

describe('predictions', () => {
  it('say something of every cell, and why wherever it may not end well', () => {
    for (const { name, gateway } of STRATEGIES) {
      for (const fault of FAULTS) {
        const { expect: expected, why } = predict(name, gateway, fault.name)
        expect(expected.length).toBeGreaterThan(0)
        if (expected.some((verdict) => verdict !== 'clean')) expect(why).not.toBe('')
      }
    }
  })

  it.each(CLASSICAL)('name a fault that $name does not survive', ({ name, gateway }) => {
    const harmed = FAULTS.filter((fault) => {
      const { expect: expected } = predict(name, gateway, fault.name)
      return expected.includes('charged-twice') || expected.includes('repaired')
    })
    expect(harmed).not.toEqual([])
  })

  it.each(FAULTS.filter(({ name }) => name !== 'none'))('name a strategy that $name breaks', ({ name: fault }) => {
    const broken = CLASSICAL.filter(({ name, gateway }) =>
      predict(name, gateway, fault).expect.includes('charged-twice'),
    )
    expect(broken).not.toEqual([])
  })

  it('excuse counterfoil nothing but parking, and that only where nothing offers a way to know', () => {
    for (const { name, gateway } of COUNTERFOIL) {
      for (const fault of FAULTS) {
        const parks = name === 'counterfoil' && gateway === 'none'
        const allowed = parks ? ['clean', 'parked'] : ['clean']
        expect(allowed).toEqual(expect.arrayContaining([...predict(name, gateway, fault.name).expect]))
      }
    }
  })

  it('refuse a cell of which nobody said what should come of it', () => {
    expect(() => predict('naive', 'keys', 'none')).toThrow(/no prediction/)
    expect(() => predict('naive', 'none', 'gremlins')).toThrow(/no prediction/)
  })

  it('explain what was expected, and point at what was not', () => {
    const prediction = predict('naive', 'none', 'killed')
    expect(explain(prediction, 'charged-twice')).toBe(prediction.why)
    expect(explain(prediction, 'clean')).toContain('did not show')
    expect(explain(prediction, 'dropped')).toContain('look into it')
    expect(explain(predict('naive', 'none', 'none'), 'clean')).toBe('')
  })
})
