import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { parseConfig } from '../server/config.ts'
import { configSchema } from '../server/options/index.ts'
import { configExample } from './write-config-example.ts'

/** The options that are groups of options, at any depth: name, and the names of those in it. */
function sectionsOf(shape: object): { name: string; options: string[]; hasDefaults: boolean }[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const inner = 'unwrap' in schema ? schema.unwrap() : schema
    if (!('shape' in inner)) return []
    const hasDefaults = Object.keys(schema.parse(undefined)).length > 0
    return [{ name, options: Object.keys(inner.shape), hasDefaults }, ...sectionsOf(inner.shape)]
  })
}
const sections = sectionsOf(configSchema.shape)

/** Set every option that has a default. In prose, one space stands behind the #. */
const uncommented = (yaml: string) => {
  const names = sections.filter(one => one.hasDefaults).map(({ name }) => name)
  return yaml.replace(new RegExp(`^#((  )*\\w+: \\S| *(${names.join('|')}):)`, 'gm'), '$1')
}

describe('config.example.yaml', () => {
  test('is what server/config.ts says', () => {
    expect(readFileSync('config.example.yaml', 'utf8')).toBe(configExample())
  })

  test('as it is, sets nothing', () => {
    expect(parseConfig(parse(configExample()), 'example')).toEqual(parseConfig({}, ''))
  })

  test('uncommented, sets everything to its default', () => {
    const options = parse(uncommented(configExample()))
    const empty = sections.filter(one => !one.hasDefaults).map(({ name }) => [name, {}])
    expect({ ...Object.fromEntries(empty), ...options }).toEqual(parseConfig({}, ''))
    expect(parseConfig(options, 'example')).toEqual(parseConfig({}, ''))
  })

  test('names every option', () => {
    for (const name of Object.keys(configSchema.shape)) {
      expect(configExample()).toMatch(new RegExp(`^#${name}:`, 'm'))
    }
    for (const name of sections.flatMap(({ options }) => options)) {
      expect(configExample()).toMatch(new RegExp(`\\b${name}:`, 'm'))
    }
  })
})
