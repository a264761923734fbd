import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

describe('the README', () => {
  const readme = readFileSync('README.md', 'utf8')

  it('shows an example that compiles, to the letter', () => {
    expect(readme).toContain(readFileSync('examples/first-charge.ts', 'utf8').trimEnd())
  })

  it('names only files and commands that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] ?? '')
    for (const link of links.filter((each) => !each.startsWith('http'))) {
      expect(() => readFileSync(link), link).not.toThrow()
    }
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    for (const match of readme.matchAll(/npm run ([a-z:-]+)/g)) expect(Object.keys(scripts)).toContain(match[1])
  })
})
