"""Fills a folder with mixed data: documents that pack, photos that do not, one large mail file of both.

    mixed.py FOLDER MIB FILES
"""
import os
import random
import sys

root, mib, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(1)
words = [bytes(rnd.choices(b"abcdefghijklmnopqrstuvwxyz", k=rnd.randint(2, 11))) for _ in range(4000)]
text = b" ".join(rnd.choices(words, k=900_000))
noise = rnd.randbytes(8 << 20)
def document(n):
    at = rnd.randrange(len(text) - n)
    return text[at:at + n]
def photo(n):
    at = rnd.randrange(len(noise) - n)
    return bytes([rnd.randrange(256)]) + noise[at:at + n - 1]
total = mib << 20
mail = total // 5
left, count = total - mail, files - 1
photos = count * 3 // 10
documents = count - photos
size_of_photo = left * 8 // 10 // photos
size_of_document = left * 2 // 10 // documents
for i in range(count):
    folder = f"{root}/Users/user{i % 7}/folder {i // 7 % 150}"
    os.makedirs(folder, exist_ok=True)
    if i % 10 < 3:
        data = photo(int(size_of_photo * rnd.uniform(0.5, 1.5)))
        name = f"IMG_{i:05}.jpg"
    else:
        data = document(int(size_of_document * rnd.uniform(0.1, 1.9)))
        name = f"letter {i:05}.txt"
    with open(f"{folder}/{name}", "wb") as out:
        out.write(data)
with open(f"{root}/Users/user0/outlook.pst", "wb") as out:
    while out.tell() < mail:
        out.write(document(60_000))
        out.write(photo(60_000))
