import t from 'tap'
import { cells, mostCells } from '../../../src/cli/terminal/width.js'

t.test('A text takes the cells of its characters', async (t) => {
  t.equal(cells('ops'), 3)
  t.equal(cells('日本語グループ'), 14)
  t.equal(cells('Zoe\u0308'), 3)
  t.equal(cells('\u2068שלום\u2069'), 4)
  t.equal(cells('\u001b[2mdim\u001b[22m'), 3)
})

t.test('An emoji of several characters takes two cells, or those of its parts', async (t) => {
  t.equal(cells('👩\u200d👩\u200d👧 family'), 9)
  t.equal(mostCells('👩\u200d👩\u200d👧 family'), 13)
  for (const emoji of ['❤\ufe0f', '🇩🇪', '👍🏽', '1\ufe0f\u20e3']) {
    t.equal(cells(emoji), 2, emoji)
    t.ok(mostCells(emoji) >= 2, emoji)
  }
})
