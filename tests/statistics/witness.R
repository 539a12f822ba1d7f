# What R says of the data sets of tests/witness_data.py: reads their CSV, prints JSON with 17 significant digits.
#
#     .venv/bin/python tests/witness_data.py | Rscript tests/statistics/witness.R > tests/statistics/witness.json
#
# Base R only (Debian: r-base-core). Quantities that R has are R's own functions; those that it lacks are written here
# from their definition, by other means than the library's.

levels <- c("0.95" = 0.95, "0.99" = 0.99)
margin <- log(1.02)
shares <- c(p50 = 0.50, p90 = 0.90, p95 = 0.95, p99 = 0.99)

by_level <- function(of) lapply(levels, of)

t_says <- function(test_of) {
  test <- test_of("two.sided", 0, 0.95)
  list(
    statistic = unname(test$statistic), df = unname(test$parameter), p = test$p.value,
    interval = by_level(function(level) as.numeric(test_of("two.sided", 0, level)$conf.int)),
    equivalence_p = max(
      test_of("greater", -margin, 0.95)$p.value,
      test_of("less", margin, 0.95)$p.value
    )
  )
}

paired <- function(x, y) t_says(function(side, mu, level) {
  t.test(x, y, paired = TRUE, alternative = side, mu = mu, conf.level = level)
})

welch <- function(x, y) t_says(function(side, mu, level) {
  t.test(x, y, alternative = side, mu = mu, conf.level = level)
})

# Without ties only: R has no exact test with them.
mann_whitney <- function(a, b) {
  tied <- anyDuplicated(c(a, b)) > 0
  list(
    u = unname(suppressWarnings(wilcox.test(a, b, exact = FALSE))$statistic),
    p = if (tied) NULL else wilcox.test(a, b, exact = TRUE)$p.value
  )
}

hedges_g <- function(x, y) {
  df <- length(x) + length(y) - 2
  pooled <- sqrt(((length(x) - 1) * var(x) + (length(y) - 1) * var(y)) / df)
  gamma(df / 2) / (sqrt(df / 2) * gamma((df - 1) / 2)) * (mean(x) - mean(y)) / pooled
}

drift <- function(values) {
  if (length(values) < 4) return(NULL)
  tied <- anyDuplicated(values) > 0
  found <- cor.test(seq_along(values), values, method = "kendall", exact = !tied, continuity = FALSE)
  list(tau = unname(found$estimate), p = found$p.value)
}

normality <- function(values) {
  if (length(values) < 3) return(NULL)
  found <- shapiro.test(log(values))
  list(statistic = unname(found$statistic), p = found$p.value)
}

ljung_box <- function(launches) {
  long <- Filter(function(values) length(values) >= 10, launches)
  if (length(long) == 0) return(NULL)
  statistics <- vapply(long, function(values) unname(Box.test(values, 1, "Ljung-Box")$statistic), 0)
  first <- vapply(long, function(values) acf(values, 1, plot = FALSE)$acf[2], 0)
  list(
    p = pchisq(sum(statistics), length(long), lower.tail = FALSE),
    lag1 = weighted.mean(first, lengths(long))
  )
}

intraclass <- function(launches) {
  launch <- factor(rep(seq_along(launches), lengths(launches)))
  squares <- anova(lm(unlist(launches) ~ launch))[["Mean Sq"]]
  total <- sum(lengths(launches))
  size <- (total - sum(lengths(launches)^2) / total) / (length(launches) - 1)
  icc <- max(0, (squares[1] - squares[2]) / (squares[1] + (size - 1) * squares[2]))
  list(icc = icc, effective_n = min(total, max(length(launches), total / (1 + (size - 1) * icc))))
}

squared_error <- function(values) sum((values - mean(values))^2)

# Index, from 0, of the first value after the best split, by trying each.
step_at <- function(values) {
  n <- length(values)
  left <- vapply(seq_len(n - 1), function(k) squared_error(values[1:k]) + squared_error(values[(k + 1):n]), 0)
  variance <- mad(diff(values))^2 / 2
  if (variance == 0 || squared_error(values) - min(left) <= 15 * log(n) * variance) NULL else which.min(left)
}

woodruff <- function(launches, share, level) {
  values <- sort(unlist(launches))
  n <- length(values)
  k <- length(launches)
  quantile <- quantile(values, share, type = 7, names = FALSE)
  off <- vapply(launches, function(one) sum((one < quantile) + (one == quantile) / 2 - share), 0)
  error <- max(sqrt(k / (k - 1) * sum(off^2)) / n, sqrt(share * (1 - share) / n))
  half <- qt(0.5 + level / 2, k - 1) * error
  rank <- c(floor((share - half) * n), ceiling((share + half) * n) + 1)
  list(value = quantile, error = error, interval = lapply(rank, function(r) if (r >= 1 && r <= n) values[r] else NULL))
}

power_of <- function(n, effect, alpha) {
  power.t.test(n, effect, 1, alpha, type = "paired", strict = TRUE)$power
}

of_launches <- function(a, b) {
  blocks <- seq_len(min(length(a), length(b)))
  x <- log(a)
  y <- log(b)
  list(
    paired = paired(x[blocks], y[blocks]), welch = welch(x, y), mann_whitney = mann_whitney(a, b),
    cliffs_delta = mean(sign(outer(a, b, "-"))), hedges_g = hedges_g(x, y), hodges_lehmann = median(outer(a, b, "-")),
    mean = list(point = mean(a), interval = by_level(function(level) as.numeric(t.test(a, conf.level = level)$conf.int))),
    typical = list(
      point = exp(mean(x)),
      interval = by_level(function(level) exp(as.numeric(t.test(x, conf.level = level)$conf.int)))
    ),
    cv_between = sd(a) / mean(a), normality = normality(a), drift = drift(a)
  )
}

of_iterations <- function(launches) {
  cv <- vapply(launches, function(values) sd(values) / mean(values), 0)
  list(
    cv_within = sqrt(mean(cv^2)),
    outliers = lapply(launches, function(values) as.list(which(abs(scale(values)[, 1]) > 2) - 1)),
    ljung_box = ljung_box(launches), intraclass = intraclass(launches),
    step_at = lapply(launches, step_at),
    percentiles = lapply(shares, function(share) by_level(function(level) woodruff(launches, share, level)))
  )
}

of_set <- function(values) {
  parts <- split(values$value, factor(values$part, unique(values$part)))
  launches <- unname(parts[!(names(parts) %in% c("a", "b"))])
  c(of_launches(parts$a, parts$b), of_iterations(launches))
}

# Corrections of the first k p-values of the data sets in families of k and of k + 3 tests.
corrected <- function(p) {
  families <- lapply(seq_along(p), function(k) {
    lapply(c(same = 0, larger = 3), function(more) {
      lapply(c(holm = "holm", bonferroni = "bonferroni"), function(method) as.list(p.adjust(p[1:k], method, n = k + more)))
    })
  })
  list(p = p, families = families)
}

fewest_launches <- function(tests, alpha) {
  n <- 3
  while (2 * pwilcox(0, n, n) * tests > alpha) n <- n + 1
  n
}

designs <- function() {
  cases <- expand.grid(launches = c(2, 3, 4, 5, 8, 10, 30), effect = c(0, 0.1, 0.5, 1, 2, 5), alpha = c(0.05, 0.002))
  powers <- lapply(seq_len(nrow(cases)), function(row) {
    one <- cases[row, ]
    c(as.list(one), power = power_of(one$launches, one$effect, one$alpha))
  })
  cases <- expand.grid(tests = c(1, 2, 10, 45, 100, 1000), alpha = c(0.05, 0.04, 0.01))
  fewest <- lapply(seq_len(nrow(cases)), function(row) {
    c(as.list(cases[row, ]), launches = fewest_launches(cases$tests[row], cases$alpha[row]))
  })
  detectable <- lapply(c(3, 5, 10, 30), function(n) {
    alpha <- 0.05 / 3
    found <- power.t.test(n, sd = 0.05, sig.level = alpha, power = 0.8, type = "paired", strict = TRUE, tol = 1e-14)
    list(launches = n, sd = 0.05, tests = 3, log_ratio = found$delta)
  })
  list(power = powers, fewest_launches = fewest, detectable = detectable)
}

json <- function(x, deep) {
  if (is.null(x)) return("null")
  if (is.character(x)) return(sprintf("\"%s\"", x))
  if (is.numeric(x) && length(x) == 1 && is.null(names(x))) return(sprintf("%.17g", x))
  inner <- vapply(x, json, "", deep = deep - 1)
  glue <- if (deep > 0) ",\n" else ", "
  if (is.null(names(x))) return(paste0("[", paste(inner, collapse = glue), "]"))
  paste0("{", paste0("\"", names(x), "\": ", inner, collapse = glue), "}")
}

values <- read.csv(file("stdin"), colClasses = c("character", "character", "numeric"))
sets <- lapply(split(values, factor(values$set, unique(values$set))), of_set)
said <- list(
  made_by = R.version.string,
  made_with = ".venv/bin/python tests/witness_data.py | Rscript tests/statistics/witness.R > tests/statistics/witness.json",
  sets = sets,
  corrected = corrected(vapply(sets, function(one) one$paired$p, 0, USE.NAMES = FALSE)),
  designs = designs()
)
cat(json(said, 3), "\n", sep = "")
