// Packs the package as it would be published, and checks the tarball: publint, the types of every subpath, that a
// stranger's project can import each of them and run the program, and that the README's pages are in it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const run = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })

const folder = mkdtempSync(join(tmpdir(), 'counterfoil-package-'))
try {
  run('npm', ['run', '--silent', 'build'])
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder]))
  const tarball = join(folder, packed.filename)
  console.log(run('npx', ['publint', 'run', tarball, '--strict']).trim())
  console.log(run('npx', ['attw', tarball, '--profile', 'esm-only']).trim())

  const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
  const subpaths = Object.keys(exports).filter((path) => !path.endsWith('.json'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', '--silent', tarball], { cwd: folder })
  for (const path of subpaths) {
    const specifier = path.replace('.', 'counterfoil')
    run('node', ['--input-type=module', '-e', `await import('${specifier}')`], { cwd: folder })
    console.log(`${specifier} can be imported without its optional peers`)
  }
  console.log(run('npx', ['--no-install', 'counterfoil', '--help'], { cwd: folder }).split('\n')[0])
  const inside = new Set(packed.files.map(({ path }) => path))
  const linked = [...readFileSync('README.md', 'utf8').matchAll(/\]\((docs\/[^)#]+)/g)].map(([, path]) => path)
  const missing = linked.filter((path) => !inside.has(path))
  if (missing.length > 0) throw new Error(`The README links to what is not in the package: ${missing.join(', ')}`)
  console.log(`${packed.filename}: ${packed.files.length} files, ${packed.size} bytes`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
