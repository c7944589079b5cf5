curl -sSf --retry 9 "@@api@@/curriculum/v1/catalogue/courses?language=en"
curl -sSf --retry 9 "@@api@@/curriculum/v1/catalogue/changes?after=0&limit=5"
