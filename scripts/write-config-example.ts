/**
 * Writes config.example.yaml from server/options/; with --check, only says whether it is up to
 * date. A line that begins with # and a name is an option at its default: without the # it is set.
 */
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { z } from 'zod'
import { configSchema } from '../server/options/index.ts'

const file = 'config.example.yaml'
const width = 98

const head = `# The options of Hourglass, each at its default. Without the # before its name, an option is set.
# Start with: npm start -- --config config.yaml
# Flags (see --help) and DATABASE_URL count more than this file.
`

export function configExample(): string {
  return `${head}\n${optionsOf(configSchema, '')}`
}

function optionsOf(schema: z.ZodObject, indent: string): string {
  return Object.entries(schema.shape)
    .map(([name, option]) => optionOf(name, option as z.ZodType, indent))
    .join('\n')
}

function optionOf(name: string, option: z.ZodType, indent: string): string {
  const description = comment([option.description ?? '', unitOf(name)].join(' ').trim())
  const inner = option instanceof z.ZodPrefault ? option.unwrap() : option
  // Without descriptions of their own, they fit on one line.
  if (inner instanceof z.ZodObject && hasDescriptions(inner)) {
    return `${description}#${indent}${name}:\n${optionsOf(inner, `${indent}  `)}`
  }
  const byDefault: unknown = option.parse(undefined)
  const value =
    byDefault === undefined ? '' : ` ${stringify(byDefault, { collectionStyle: 'flow' }).trim()}`
  return `${description}#${indent}${name}:${value}\n`
}

function hasDescriptions(options: z.ZodObject): boolean {
  return Object.values(options.shape).some(
    option => (option as z.ZodType).description !== undefined,
  )
}

function unitOf(name: string): string {
  if (name.endsWith('_ms')) return 'In milliseconds.'
  if (name.endsWith('_bytes')) return 'In bytes.'
  return ''
}

function comment(text: string): string {
  const lines = ['#']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line.length + 1 + word.length > width) lines.push(`# ${word}`)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines.map(line => `${line}\n`).join('')
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--check')) writeFileSync(file, configExample())
  else if (readFileSync(file, 'utf8') !== configExample()) {
    process.stderr.write(`${file} is not what server/options/ says: npm run config-example\n`)
    process.exitCode = 1
  }
}
