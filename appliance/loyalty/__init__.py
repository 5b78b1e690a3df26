"""What customers earn: points, levels and coupons, each kept so that it is taken back when its cause goes."""
