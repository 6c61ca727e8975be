/** What no linter knows: rules of this house that a look at one line can check. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Rule {
  pattern: RegExp
  /** Where it holds. */
  in: RegExp
  except?: RegExp
  message: string
}

const tests = /\.test\.ts$/
const edges = /\.test\.ts$|^server\/lib\/|^server\/(main|command-line)\.ts$/

const rules: readonly Rule[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/,
    in: /^(server|db)\//,
    except: edges,
    message: 'ask ctx.clock what time it is',
  },
  {
    pattern: /\bset(Timeout|Interval)\b|\bAbortSignal\.timeout\b|['"](node:)?timers\b/,
    in: /^(server|db)\//,
    except: edges,
    message: 'set timers with ctx.clock',
  },
  {
    pattern: /\bMath\.random\b/,
    in: /^(server|db)\//,
    except: edges,
    message: 'take chance from lib/random.ts',
  },
  {
    pattern: /\bprocess\.env\b/,
    in: /^(server|db)\//,
    except: edges,
    message: 'take options from ctx.config',
  },
  {
    pattern: /\bconsole\.|\bprocess\.std(out|err)\b/,
    in: /^(server|db)\//,
    except: edges,
    message: 'write with ctx.log',
  },
  {
    pattern: /(?<!\.)\bnow\(\)|\b(current|clock|statement|transaction|local)_?timestamp\b/i,
    in: /^db\//,
    except: tests,
    message: 'SQL is told what time it is: pass it as a parameter',
  },
  {
    pattern:
      /\bSELECT\s.+\sFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+\w+\s+SET\b|\bDELETE\s+FROM\b|\b(CREATE|ALTER|DROP)\s+(TABLE|INDEX|SCHEMA|SEQUENCE)\b|\.(selectFrom|insertInto|updateTable|deleteFrom)\(|\bsql`/,
    in: /^(server|spec-tests)\//,
    except: /^server\/.*\.test\.ts$|^spec-tests\/support\//,
    message: 'SQL lives in db/',
  },
  {
    pattern: /\b(test|it|describe)\.(only|skip|todo|failing)\b|\b[fx](it|test|describe)\(/,
    in: tests,
    message: 'every test runs',
  },
]

export interface Breach {
  file: string
  line: number
  message: string
}

/** @param file with slashes, from the root of the repository */
export function breachesIn(file: string, text: string): Breach[] {
  const holding = rules.filter(rule => rule.in.test(file) && !rule.except?.test(file))
  return text.split('\n').flatMap((line, index) => {
    const code = withoutComment(line)
    return holding
      .filter(rule => rule.pattern.test(code))
      .map(({ message }) => ({ file, line: index + 1, message }))
  })
}

function withoutComment(line: string): string {
  return /^\s*(\/\/|\/?\*)/.test(line) ? '' : line.replace(/\s\/\/\s.*$/, '')
}

/**
 * Migrations are listed by hand; one that is forgotten would never run, and nobody would notice.
 *
 * @param names what lies in db/migrations/
 * @param index the text of its index.ts
 */
export function forgottenMigrations(names: readonly string[], index: string): Breach[] {
  return names
    .filter(name => /^\d{4}_.*\.ts$/.test(name) && !tests.test(name))
    .map(name => name.replace(/\.ts$/, ''))
    .filter(name => !index.includes(`'./${name}.ts'`) || !index.includes(`'${name}':`))
    .map(name => ({
      file: `db/migrations/${name}.ts`,
      line: 1,
      message: 'list it in db/migrations/index.ts',
    }))
}

function check(): Breach[] {
  const folders = ['server', 'db', 'spec-tests', 'scripts']
  const files = folders.flatMap(folder =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name =>
      join(folder, name).replaceAll('\\', '/'),
    ),
  )
  return [
    ...files
      .filter(file => /\.ts$/.test(file))
      .flatMap(file => breachesIn(file, readFileSync(file, 'utf8'))),
    ...forgottenMigrations(
      readdirSync('db/migrations'),
      readFileSync('db/migrations/index.ts', 'utf8'),
    ),
  ]
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const breaches = check()
  for (const { file, line, message } of breaches) {
    process.stderr.write(`${file}:${line}: ${message}\n`)
  }
  if (breaches.length > 0) process.exitCode = 1
}
