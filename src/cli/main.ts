#!/usr/bin/env node
import { runCli } from './program.js'

const exitCode = await runCli(process.argv.slice(2), {
  cwd: process.cwd(),
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
})
// A user's module may keep connections open; what was said has to arrive all the same.
process.exitCode = exitCode
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)))
