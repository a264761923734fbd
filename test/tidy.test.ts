import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** Where code stands. */
const CODE = ['src', 'programs', 'lab', 'bench', 'chaos', 'simulate', 'examples']

/** The project's own source, as git knows it, without tests. */
function sources(...paths: string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...paths], {
    encoding: 'utf8',
  })
  return listed
    .split('\n')
    .filter((path) => /\.(ts|tsx|mjs)$/.test(path) && !/\.(test|fixture|typetest)\.ts$/.test(path))
}

function linesMatching(paths: string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .map((line, i) => ({ line, at: `${path}:${i + 1}` }))
      .filter(({ line }) => pattern.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line))
      .map(({ line, at }) => `${at} ${line.trim()}`),
  )
}

describe('house rules that no linter knows', () => {
  it('keeps clock, randomness and timers in src/system', () => {
    const elsewhere = sources('src').filter(
      (path) => !path.startsWith('src/system/') && !path.startsWith('src/console/'),
    )
    expect(
      linesMatching(elsewhere, /\b(Date\.now|Math\.random|setTimeout|setInterval|performance\.now)\(|new Date\(\)/),
    ).toEqual([])
  })

  it('leaves no note in the code instead of the work', () => {
    expect(linesMatching(sources(...CODE), /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([])
  })

  it('has no any, no ts-ignore and no skipped or focused test', () => {
    const tests = execFileSync('git', ['ls-files', '--', '*.test.ts'], { encoding: 'utf8' }).split('\n').filter(Boolean)
    expect(linesMatching(sources(...CODE), /(: any\b|as any\b|<any>|@ts-ignore|@ts-nocheck)/)).toEqual([])
    expect(linesMatching(tests, /^\s*(it|test|describe)\.(skip|only|todo)\b/)).toEqual([])
  })

  it('keeps files to one subject: under 400 lines each', () => {
    const all = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
      encoding: 'utf8',
    })
    const long = all
      .split('\n')
      .filter(Boolean)
      .filter((path) => readFileSync(path, 'utf8').split('\n').length > 400)
    expect(long).toEqual([])
  })
})
