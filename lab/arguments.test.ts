import { describe, expect, it } from 'vitest'
import { type LabOptions, parseArguments } from './arguments.js'
import { FAULTS } from './faults/index.js'
import { STRATEGIES } from './strategies/index.js'

function optionsOf(...args: string[]): LabOptions {
  const parsed = parseArguments(args)
  if (parsed.kind === 'say') throw new Error(parsed.text)
  return parsed.options
}

function saidOf(...args: string[]): { text: string; exitCode: number } {
  const parsed = parseArguments(args)
  if (parsed.kind === 'run') throw new Error('It would run.')
  return parsed
}

describe('parseArguments', () => {
  it('runs everything by default', () => {
    const options = optionsOf()
    expect(options.strategies).toEqual(STRATEGIES)
    expect(options.faults).toEqual(FAULTS)
    expect(options).toMatchObject({ seed: 1, json: null, svg: null })
  })

  it('takes several names, and all rows and variants of a name, in the order of the table', () => {
    const { strategies, faults } = optionsOf('--strategy', 'counterfoil, naive', '--fault', 'killed,none')
    expect(strategies.map(({ name, gateway }) => `${name}/${gateway}`)).toEqual([
      'naive/none',
      'counterfoil/keys',
      'counterfoil/lookup',
      'counterfoil/none',
      'counterfoil/audit/none',
      'counterfoil/outbox/lookup',
      'counterfoil/inbox/keys',
      'counterfoil/lease/keys',
      'counterfoil/redis-lease/keys',
    ])
    expect(faults.map(({ name }) => name)).toEqual(['none', 'killed'])
  })

  it('says which names there are when one is unknown', () => {
    const { text, exitCode } = saidOf('--strategy', 'naive,nayve')
    expect(exitCode).toBe(2)
    expect(text).toContain('There is no strategy "nayve"')
    for (const { name } of STRATEGIES) expect(text).toContain(name)
    const fault = saidOf('--fault', 'gremlins')
    expect(fault.text).toContain('There is no fault "gremlins"')
    for (const { name } of FAULTS) expect(fault.text).toContain(name)
  })

  it('takes fewer orders with --quick, unless told how many', () => {
    expect(optionsOf('--quick').orders).toBeLessThan(optionsOf().orders)
    expect(optionsOf('--quick', '--orders', '40').orders).toBe(40)
  })

  it.each(['3', '-1', '2.5', 'many', '1e3', '', '1000000'])('refuses %j orders', (count) => {
    expect(saidOf(`--orders=${count}`).exitCode).toBe(2)
  })

  it('takes a seed and files', () => {
    expect(optionsOf('--seed', '7', '--json', 'a.json', '--svg', 'b.svg')).toMatchObject({
      seed: 7,
      json: 'a.json',
      svg: 'b.svg',
    })
  })

  it('refuses what it does not know', () => {
    expect(saidOf('--fast').exitCode).toBe(2)
    expect(saidOf('naive').exitCode).toBe(2)
  })

  it('explains itself', () => {
    const { text, exitCode } = saidOf('--help')
    expect(exitCode).toBe(0)
    for (const option of ['--strategy', '--fault', '--orders', '--seed', '--quick', '--json', '--svg']) {
      expect(text).toContain(option)
    }
  })
})
